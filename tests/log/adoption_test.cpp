#include "adoption.hpp"
#include "files.hpp"
#include "layout.hpp"
#include "log/child_program.hpp"
#include "log/live_copy.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include "rocks_store.hpp"
#include "witness.hpp"
#include <algorithm>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <map>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;
using namespace testing;

constexpr std::uint64_t acknowledged = 52; // an account, a session, 50 messages
constexpr std::uint64_t flushed = 26;

class adoption_test : public ::testing::Test
{
protected:
    /// A log as a power cut left it: `flushed` records in table files, the rest in the newest WAL.
    void SetUp() override
    {
        const auto live = place_.path() / "live";
        rocks_store* store = nullptr;
        seams below;
        below.opened = [&](rocks_store& opened) { store = &opened; };
        auto log = open_log_over(options_for(live), rules_, sink_, clock_, below).value();
        before_ = log->id();
        key_ = log->checkpoint_key();
        const auto run = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            EXPECT_TRUE(log->submit(wanted));
            EXPECT_TRUE(outcome.get());
        };
        run(create_account(ann_));
        run(create_session(ann_, talk_));
        for (std::uint64_t i = 2; i < acknowledged; ++i)
        {
            if (i == flushed)
            {
                ASSERT_TRUE(store->db().Flush({}, store->log()).ok());
            }
            run(say(ann_, talk_, {"message " + std::to_string(i)}));
        }
        copy_live(live, data_);
        log->close();
        log.reset();
        fs::remove_all(live);
    }

    void lose_witness() { fs::remove(data_ / "witness"); }
    void tear_witness()
    {
        std::fstream file(data_ / "witness", std::ios::in | std::ios::out | std::ios::binary);
        for (const int slot : {0, 1})
        {
            file.seekp(slot * 4096 + 40);
            file.write("torn", 4);
        }
    }
    void lose_newest_wal()
    {
        std::vector<fs::path> wals;
        for (const auto& entry : fs::directory_iterator(data_ / "db"))
            if (entry.path().extension() == ".log")
                wals.push_back(entry.path());
        ASSERT_GE(wals.size(), 2u);
        fs::remove(*std::ranges::max_element(wals));
    }

    std::map<std::string, std::string> contents() const
    {
        std::map<std::string, std::string> out;
        for (const auto& entry : fs::recursive_directory_iterator(data_))
            if (entry.is_regular_file())
            {
                std::ifstream file(entry.path(), std::ios::binary);
                out[entry.path().string()] = {std::istreambuf_iterator<char>(file), {}};
            }
        return out;
    }
    result<std::unique_ptr<event_log>> try_open()
    {
        auto options = options_for(data_);
        options.create = false;
        return open_log(options, rules_, sink_, clock_);
    }
    result<adoption> adopt()
    {
        return adopt_log(
            options_for(data_), rules_,
            [this](const adoption& what) -> result<void>
            {
                asked_ = what;
                return {};
            });
    }
    void expect_refused_with_a_way_out()
    {
        const auto opened = try_open();
        ASSERT_FALSE(opened);
        EXPECT_NE(opened.error().detail.find("witness adopt"), std::string::npos) << opened.error().detail;
    }
    /// The log serves `head` records under another id, and goes on.
    void expect_adopted(std::uint64_t head)
    {
        {
            const auto reader = open_log_reader(options_for(data_), rules_);
            ASSERT_TRUE(reader) << reader.error().detail;
            for (const auto& finding : (*reader)->verify(1)->findings)
                ADD_FAILURE() << finding.what;
        }
        auto log = try_open();
        ASSERT_TRUE(log) << log.error().detail;
        EXPECT_NE((*log)->id(), before_);
        EXPECT_EQ(read_description(data_ / "relay.json").value(), (*log)->id());
        EXPECT_EQ(read_witness(data_ / "witness")->id, (*log)->id());
        EXPECT_EQ((*log)->checkpoint_key().name, "consortium-log/" + to_string((*log)->id()));
        EXPECT_EQ((*log)->checkpoint_key().key, key_.key) << "who pinned the key sees that it is the same relay";
        const auto events = (*log)->read()->read(lsn{1}, 1000).value();
        ASSERT_EQ(events.size(), head);
        for (std::uint64_t i = 2; i < head; ++i)
            EXPECT_EQ(events[i].as<message_appended>()->content, "message " + std::to_string(i));
        auto wanted = say(ann_, talk_, {"goes on"});
        auto outcome = wanted->outcome();
        ASSERT_TRUE((*log)->submit(wanted));
        EXPECT_EQ(outcome.get().value().at(0)->number.value, head + 1);
        (*log)->close();
        log->reset();
        ASSERT_TRUE(try_open());
    }
    int killed_at(crash_point point)
    {
        return signal_that_ends({CONSORTIUM_ADOPTION_CHILD, data_.string(), std::to_string(static_cast<int>(point))});
    }

    temporary_directory place_;
    fs::path data_ = place_.path() / "data";
    small_domain rules_;
    test_sink sink_;
    manual_clock clock_{1'700'000'000'000};
    const account_id ann_ = account_of(1);
    const session_id talk_ = session_of(1);
    log_id before_;
    note::verifier key_;
    std::optional<adoption> asked_;
};

TEST_F(adoption_test, a_log_without_its_witness_is_adopted_as_it_is)
{
    lose_witness();
    expect_refused_with_a_way_out();
    const auto done = adopt();
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(asked_->before, before_);
    EXPECT_EQ(asked_->head.value, acknowledged);
    EXPECT_EQ(asked_->time, clock_.now());
    EXPECT_FALSE(asked_->witness);
    EXPECT_FALSE(asked_->why.empty());
    EXPECT_EQ(asked_->missing(), 0u);
    expect_adopted(acknowledged);
}

TEST_F(adoption_test, a_log_whose_witness_is_torn_is_adopted_as_it_is)
{
    tear_witness();
    expect_refused_with_a_way_out();
    ASSERT_TRUE(adopt());
    EXPECT_FALSE(asked_->witness);
    expect_adopted(acknowledged);
}

TEST_F(adoption_test, what_is_left_without_the_newest_wal_is_adopted)
{
    lose_newest_wal();
    expect_refused_with_a_way_out();
    const auto done = adopt();
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_EQ(asked_->witness, lsn{acknowledged});
    EXPECT_EQ(asked_->head, lsn{flushed});
    EXPECT_EQ(asked_->missing(), acknowledged - flushed);
    expect_adopted(flushed);
}

TEST_F(adoption_test, without_consent_nothing_is_changed)
{
    lose_newest_wal();
    const auto before = contents();
    const auto refused = adopt_log(
        options_for(data_), rules_,
        [](const adoption&) -> result<void> { return fail(errc::cancelled, "let me copy it first"); });
    EXPECT_EQ(refused.error(), errc::cancelled);
    EXPECT_EQ(contents(), before);
}

TEST_F(adoption_test, a_log_that_reaches_its_witness_needs_none)
{
    const auto before = contents();
    EXPECT_EQ(adopt().error(), errc::conflict);
    EXPECT_FALSE(asked_);
    EXPECT_EQ(contents(), before);
    EXPECT_TRUE(try_open());
}

// Other damage is named, and left alone.
TEST_F(adoption_test, mends_no_other_damage)
{
    const auto last = read_witness(data_ / "witness").value();
    auto other = last;
    other.root[0] ^= 1;
    ASSERT_TRUE(witness_file::create(data_ / "witness", other));
    EXPECT_EQ(adopt().error(), errc::corrupt);
    other = last;
    other.id = log_id{make_uuid_v4()};
    ASSERT_TRUE(witness_file::create(data_ / "witness", other));
    EXPECT_EQ(adopt().error(), errc::corrupt);
    lose_witness();
    fs::rename(data_ / "db" / "CURRENT", place_.path() / "CURRENT");
    EXPECT_EQ(adopt().error(), errc::corrupt);
    EXPECT_FALSE(asked_);
    fs::rename(place_.path() / "CURRENT", data_ / "db" / "CURRENT");
    ASSERT_TRUE(witness_file::create(data_ / "witness", last));
    EXPECT_TRUE(try_open());
}

// Goal: killed between any two steps, the log is not served before adopting it was done again.
TEST_F(adoption_test, sigkill_at_each_step_is_made_good_by_doing_it_again)
{
    lose_newest_wal();
    const auto damaged = place_.path() / "damaged";
    fs::copy(data_, damaged, fs::copy_options::recursive);
    for (const auto step :
         {crash_point::adoption_begun, crash_point::adopted_head_written, crash_point::adopted_witness_written,
          crash_point::adopted_description_written})
    {
        fs::remove_all(data_);
        fs::copy(damaged, data_, fs::copy_options::recursive);
        EXPECT_EQ(killed_at(step), SIGKILL);
        expect_refused_with_a_way_out();
        const auto done = adopt();
        ASSERT_TRUE(done) << done.error().detail;
        EXPECT_TRUE(asked_->begun);
        EXPECT_EQ(asked_->before, before_);
        EXPECT_EQ(asked_->missing(), acknowledged - flushed) << "still said";
        expect_adopted(flushed);
    }
}

} // namespace
} // namespace consortium::log
