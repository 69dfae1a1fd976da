#include "log/log_fixture.hpp"

namespace consortium::log
{
namespace
{

using namespace testing;

class proof_test : public log_fixture
{
protected:
    checkpoint opened_checkpoint() { return open_checkpoint(log->read()->checkpoint(), log->checkpoint_key()).value(); }
};

// Goal: a client that is given a record, its keys and its path finds it in the signed tree.
TEST_F(proof_test, every_record_is_proven_against_the_checkpoint)
{
    open();
    make_session();
    ASSERT_TRUE(run(say(ann, talk, {"one", "two", "three"})));
    const auto at = log->read();
    const auto head = opened_checkpoint();
    EXPECT_EQ(head.origin, "consortium-log/" + to_string(log->id()));
    ASSERT_EQ(head.size, 5u);
    for (lsn number{1}; number <= at->head(); number = number.next())
    {
        const auto proof = at->prove(number, head.size).value();
        EXPECT_EQ(proof.number, number);
        EXPECT_EQ(proof.header.size(), 62u);
        ASSERT_TRUE(proof.body && proof.body_key);
        EXPECT_EQ(hmac_sha256(*proof.body_key, {*proof.body}), proof.body_commitment);
        EXPECT_TRUE(merkle::verify_inclusion(proof.leaf(), proof.index(), head.size, proof.path, head.root));
    }
}

TEST_F(proof_test, a_shredded_record_is_proven_without_its_body)
{
    open();
    make_session();
    ASSERT_TRUE(run(say(ann, talk, {"secret"})));
    const auto before = log->read()->prove(lsn{3}, 3).value();
    ASSERT_TRUE(run(delete_session(ann, talk)));

    const auto at = log->read();
    const auto head = opened_checkpoint();
    const auto after = at->prove(lsn{3}, head.size).value();
    EXPECT_FALSE(after.body);
    EXPECT_FALSE(after.body_key);
    EXPECT_EQ(after.header, before.header);
    EXPECT_EQ(after.leaf(), before.leaf());
    EXPECT_TRUE(merkle::verify_inclusion(after.leaf(), after.index(), head.size, after.path, head.root));
    // The deletion itself stays readable: an event without a body.
    const auto deletion = at->prove(lsn{4}, head.size).value();
    EXPECT_TRUE(deletion.body && deletion.body->empty());
    EXPECT_TRUE(merkle::verify_inclusion(deletion.leaf(), deletion.index(), head.size, deletion.path, head.root));
}

TEST_F(proof_test, what_is_not_there_is_not_proven)
{
    open();
    make_session();
    const auto at = log->read();
    EXPECT_EQ(at->prove(lsn{0}, 2).error(), errc::not_found);
    EXPECT_EQ(at->prove(lsn{2}, 1).error(), errc::not_found);
    EXPECT_EQ(at->prove(lsn{1}, 3).error(), errc::bad_request);
    EXPECT_EQ(at->prove_consistency(1, 3).error(), errc::bad_request);
    EXPECT_EQ(at->prove_consistency(2, 1).error(), errc::bad_request);
}

// Goal: whoever kept an old checkpoint finds that it is the beginning of the newest, for every size there was.
TEST_F(proof_test, every_earlier_checkpoint_is_the_beginning_of_later_ones)
{
    open();
    std::vector<checkpoint> seen{opened_checkpoint()};
    make_session();
    for (int i = 0; i < 20; ++i)
    {
        ASSERT_TRUE(run(say(ann, talk, {"a", "b", "c"})));
        seen.push_back(opened_checkpoint());
    }
    const auto at = log->read();
    for (const auto& before : seen)
        for (const auto& after : seen)
        {
            if (before.size > after.size)
                continue;
            const auto proof = at->prove_consistency(before.size, after.size).value();
            EXPECT_TRUE(merkle::verify_consistency(before.size, after.size, before.root, after.root, proof));
        }
}

TEST_F(proof_test, the_key_survives_reopening_and_a_head_has_one_checkpoint)
{
    open();
    make_session();
    const auto key = log->checkpoint_key();
    const auto note = log->read()->checkpoint();
    EXPECT_EQ(log->read()->checkpoint(), note);
    reopen();
    EXPECT_EQ(log->checkpoint_key(), key);
    EXPECT_EQ(log->read()->checkpoint(), note);
    log.reset();
    const auto reader = open_log_reader(options, rules).value();
    EXPECT_EQ(reader->checkpoint_key(), key);
    EXPECT_EQ(reader->read()->checkpoint(), note);
}

} // namespace
} // namespace consortium::log
