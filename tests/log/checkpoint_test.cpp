#include "checkpoints.hpp"
#include "log/log_fixture.hpp"
#include <semaphore>

namespace consortium::log
{
namespace
{

using namespace testing;
using namespace std::chrono_literals;

class checkpoint_test : public log_fixture
{
protected:
    std::unique_ptr<rocks_store> store()
    {
        return rocks_store::open(options.directory / "db", store_access::read_write, rules.tables(), nullptr).value();
    }
    /// What the closed log left in its store.
    std::string stored() { return stored_checkpoint(*store()).value().value_or(""); }
    void replace(const std::string& note) { ASSERT_TRUE(store_checkpoint(*store(), note)); }
    error refusal()
    {
        test_sink unused;
        const auto refused = open_log_over(options, rules, unused, clock, below);
        return refused ? error{} : refused.error();
    }
    /// A checkpoint as this relay's key would sign it, of whatever.
    std::string signed_note(std::uint64_t size, const digest256& root)
    {
        open();
        const auto origin = log->checkpoint_key().name;
        const auto key = ed25519_key::from_seed(log->keys().checkpoint_seed);
        log.reset();
        return sign_checkpoint({.origin = origin, .size = size, .root = root}, key);
    }
};

TEST_F(checkpoint_test, closing_leaves_a_signed_head)
{
    open();
    EXPECT_TRUE(log->read()->checkpoint().starts_with("consortium-log/" + to_string(log->id()) + "\n0\n"));
    make_session();
    const auto note = log->read()->checkpoint();
    const auto key = log->checkpoint_key();
    log.reset();
    EXPECT_EQ(stored(), note);
    EXPECT_EQ(open_checkpoint(note, key)->size, 2u);
    // Nothing new: nothing is written.
    int written = 0;
    below.reached = [&](crash_point point) { written += point == crash_point::checkpoint_stored ? 1 : 0; };
    reopen();
    log.reset();
    EXPECT_EQ(written, 0);
}

// Goal: while something is written, each interval leaves a checkpoint over what callers were told of.
TEST_F(checkpoint_test, a_busy_log_signs_its_newest_durable_head)
{
    options.checkpoint_interval = 0ms;
    std::counting_semaphore<> stored_one(0);
    below.reached = [&](crash_point point)
    {
        if (point == crash_point::checkpoint_stored)
            stored_one.release();
    };
    rocks_store* at = nullptr;
    below.opened = [&](rocks_store& opened) { at = &opened; };
    open();
    const auto key = log->checkpoint_key();
    ASSERT_TRUE(run(create_account(ann)));
    for (std::uint64_t size = 1; size < 5; ++size)
    {
        stored_one.acquire();
        const auto note = stored_checkpoint(*at).value().value();
        EXPECT_EQ(open_checkpoint(note, key)->size, size);
        EXPECT_EQ(note, log->read()->checkpoint());
        ASSERT_TRUE(size == 1 ? run(create_session(ann, talk)) : run(say(ann, talk, {"x"})));
    }
    log.reset(); // it calls what stands on this stack
}

// Goal: the last head before a silence is signed too, by the clock alone.
TEST_F(checkpoint_test, an_idle_log_signs_its_last_head)
{
    options.checkpoint_interval = 50ms;
    std::counting_semaphore<> stored_one(0);
    below.reached = [&](crash_point point)
    {
        if (point == crash_point::checkpoint_stored)
            stored_one.release();
    };
    rocks_store* at = nullptr;
    below.opened = [&](rocks_store& opened) { at = &opened; };
    open();
    make_session();
    const auto key = log->checkpoint_key();
    std::uint64_t size = 0;
    while (size < 2)
    {
        stored_one.acquire();
        size = open_checkpoint(stored_checkpoint(*at).value().value(), key)->size;
    }
    log.reset();
}

TEST_F(checkpoint_test, a_log_that_is_shorter_than_its_checkpoint_is_refused)
{
    open();
    make_session();
    log.reset();
    replace(signed_note(5, digest256{}));
    const auto why = refusal();
    EXPECT_EQ(why, errc::log_truncated);
    EXPECT_TRUE(why.detail.starts_with("the log holds 2 records, but signed a checkpoint over 5: those from lsn 3 on "
                                       "are missing. Nothing was changed."))
        << why.detail;
}

TEST_F(checkpoint_test, a_log_that_is_not_the_one_it_signed_is_refused)
{
    open();
    make_session();
    fill_up_to(300, 100);
    const auto root = log->read()->prove_consistency(1, 2).value().at(0); // some hash
    log.reset();
    const auto good = stored();
    replace(signed_note(280, root));
    auto why = refusal();
    EXPECT_EQ(why, errc::corrupt);
    EXPECT_TRUE(
        why.detail.starts_with("the first 280 records of the log are not those that it signed a checkpoint over"))
        << why.detail;
    replace("not a note");
    EXPECT_EQ(refusal(), errc::corrupt);
    auto forged = good;
    forged[forged.find("300")] = '2';
    replace(forged);
    EXPECT_EQ(refusal(), errc::corrupt);
    replace(good);
    open();
}

// Goal: what a client kept is held against the log by the operator's tools.
TEST_F(checkpoint_test, a_kept_checkpoint_is_checked_against_the_log)
{
    open();
    std::vector<std::string> kept;
    make_session();
    for (int i = 0; i < 5; ++i)
    {
        kept.push_back(log->read()->checkpoint());
        fill_up_to(log->read()->head().value + 90, 30);
    }
    log.reset();
    const auto reader = open_log_reader(options, rules).value();
    const auto at = reader->read();
    const auto now = open_checkpoint(at->checkpoint(), reader->checkpoint_key()).value();
    for (const auto& note : kept)
    {
        const auto said = open_checkpoint(note, reader->checkpoint_key()).value();
        const auto path = at->prove_consistency(said.size, now.size).value();
        EXPECT_TRUE(merkle::verify_consistency(said.size, now.size, said.root, now.root, path)) << said.size;
        EXPECT_FALSE(merkle::verify_consistency(said.size, now.size, digest256{}, now.root, path)) << said.size;
    }
}

// Goal: verify holds tiles and checkpoint against the records, not against each other.
TEST_F(checkpoint_test, verify_reports_tiles_and_checkpoint)
{
    open();
    make_session();
    fill_up_to(600, 100);
    log.reset();
    {
        const auto report = open_log_reader(options, rules).value()->verify(2).value();
        EXPECT_TRUE(report.findings.empty());
        EXPECT_EQ(report.tiles, 3u); // two of leaves, one above
        EXPECT_EQ(report.checkpoint, 600u);
    }
    const auto wrong = signed_note(599, digest256{});
    {
        const auto opened = store();
        std::string row;
        ASSERT_TRUE(opened->db().Get({}, opened->tree(), slice(tile_key(0, 1)), &row).ok());
        row[9] = static_cast<char>(row[9] ^ 1);
        ASSERT_TRUE(opened->db().Put({}, opened->tree(), slice(tile_key(0, 1)), row).ok());
        ASSERT_TRUE(opened->db().Delete({}, opened->tree(), slice(tile_key(0, 0))).ok());
        ASSERT_TRUE(opened->db().Put({}, opened->tree(), slice(tile_key(0, 9)), row).ok());
        ASSERT_TRUE(store_checkpoint(*opened, wrong));
    }
    const auto report = open_log_reader(options, rules).value()->verify(2).value();
    std::vector<std::string> found;
    for (const auto& finding : report.findings)
        found.push_back(finding.what);
    const std::vector<std::string> expected{
        "tile 0/0 is missing", "tile 0/1 does not fit the records",
        "the tree up to here has another root than the log signed in its checkpoint"};
    EXPECT_EQ(found, expected);
}

} // namespace
} // namespace consortium::log
