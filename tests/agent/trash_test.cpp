#include "agent/fresh_directory.hpp"
#include "e2ee/run_of.hpp"
#include "storage/trash.hpp"
#include "storage/trash_note.hpp"
#include <functional>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

constexpr unix_millis day = 24 * 60 * 60 * 1000;
constexpr unix_millis begin = 20'000 * day + day / 2;

session_record a_session(const std::string& tag)
{
    session_record out;
    out.tag = tag;
    out.session_id = "01890a5d-ac96-774b-bcce-b302099a8057";
    out.server_url = "http://relay";
    out.account_id = "account";
    out.data_key = key_of(7);
    out.directory = "/project";
    return out;
}

struct store_of_one
{
    fresh_directory place;
    keystore store = keystore::open(place.path() / "state").value();

    store_of_one()
    {
        auto folder = session_folder::create(store, a_session("t")).value();
        folder.prompts().last_seq = 9;
        EXPECT_TRUE(folder.save_prompts());
        EXPECT_TRUE(replace_file(folder.spool_file(), bytes(100, 1)));
    }
    void dispose(const evidence& why, unix_millis now = begin)
    {
        auto folder = session_folder::open(store, "t").value();
        ASSERT_TRUE(folder.dispose(why, now));
    }
    bool in_sessions() const { return session_folder::list(store) == std::vector<std::string>{"t"}; }
    bool in_trash() const { return list_trash(store).size() == 1; }
    /// Whole: key, progress and what was not sent.
    bool is_whole()
    {
        const auto folder = session_folder::open(store, "t");
        return folder && folder->record().data_key == key_of(7) &&
               read_file(folder->spool_file()).value() == bytes(100, 1);
    }
};

struct trash : ::testing::Test, store_of_one
{
};

} // namespace

TEST(disposal, only_what_is_proved_destroys)
{
    EXPECT_EQ(decide(never_shared()), disposal::destroy);
    for (const auto each :
         {hearsay::unsigned_deletion, hearsay::not_found, hearsay::no_access, hearsay::device_revoked})
    {
        EXPECT_EQ(decide(each), disposal::to_trash);
        EXPECT_EQ(parse_hearsay(word(each)), each);
    }
    static_assert(!std::is_default_constructible_v<verified_deletion>);
}

// Goal: what no relay said is no evidence of anything.
TEST(disposal, evidence_comes_from_the_relay_itself_alone)
{
    for (int code = 1; code <= static_cast<int>(errc::internal); ++code)
    {
        relay_failure failure{{static_cast<errc>(code), "x", std::nullopt}};
        EXPECT_FALSE(hearsay_of(failure)) << code;
        failure.by_relay = true;
        failure.retry = std::chrono::milliseconds(1);
        EXPECT_FALSE(hearsay_of(failure)) << code;
    }
    EXPECT_EQ(hearsay_of({{errc::not_found, "", std::nullopt}, true}), hearsay::not_found);
    EXPECT_EQ(hearsay_of({{errc::unauthorized, "", std::nullopt}, true}), hearsay::no_access);
    EXPECT_EQ(hearsay_of({{errc::revoked, "", std::nullopt}, true}), hearsay::device_revoked);
    EXPECT_FALSE(hearsay_of({{errc::forbidden, "", std::nullopt}, true}));
}

TEST_F(trash, keeps_a_session_whole_and_gives_it_back)
{
    dispose(hearsay::not_found);
    EXPECT_FALSE(in_sessions());
    const auto list = list_trash(store);
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].session_id, a_session("t").session_id);
    EXPECT_EQ(list[0].since, begin);
    EXPECT_EQ(list[0].why, hearsay::not_found);
    EXPECT_EQ(list[0].days_left, trash_days);
    EXPECT_EQ(restore_from_trash(store, "other").error(), errc::not_found);
    ASSERT_TRUE(restore_from_trash(store, "t"));
    EXPECT_FALSE(in_trash());
    EXPECT_TRUE(is_whole());
}

TEST_F(trash, a_session_that_a_process_still_holds_stays_where_it_is)
{
    auto folder = session_folder::open(store, "t").value();
    ASSERT_TRUE(folder.dispose(hearsay::no_access, begin));
    EXPECT_EQ(restore_from_trash(store, "t").error(), errc::locked);
    for (int i = 0; i < 60; ++i)
        EXPECT_EQ(tend_trash(store, begin + i * day).value(), 0u);
    EXPECT_TRUE(in_trash());
}

TEST_F(trash, is_destroyed_after_thirty_days)
{
    dispose(hearsay::unsigned_deletion);
    for (int i = 0; i < 30; ++i)
        EXPECT_EQ(tend_trash(store, begin + i * day).value(), 0u) << i;
    EXPECT_EQ(list_trash(store).at(0).days_left, 1);
    EXPECT_EQ(tend_trash(store, begin + 30 * day).value(), 1u);
    EXPECT_TRUE(std::filesystem::is_empty(store.trash()));
}

// Goal: a clock that jumps, forwards, backwards, again and again, destroys nothing.
TEST_F(trash, a_clock_that_jumps_destroys_nothing)
{
    dispose(hearsay::not_found);
    EXPECT_EQ(tend_trash(store, begin + 40 * day).value(), 0u) << "set ahead";
    EXPECT_EQ(tend_trash(store, begin + 400 * day).value(), 0u);
    EXPECT_EQ(tend_trash(store, begin).value(), 0u) << "and back";
    EXPECT_EQ(tend_trash(store, begin - 1000 * day).value(), 0u);
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(tend_trash(store, begin + day + i).value(), 0u) << "often on one day";
    EXPECT_TRUE(in_trash());
    // It goes on from there.
    std::size_t destroyed = 0;
    int days = 0;
    for (; destroyed == 0 && days < 60; ++days)
        destroyed = tend_trash(store, begin + (2 + days) * day).value();
    EXPECT_EQ(destroyed, 1u);
    EXPECT_GT(days, 25);
}

TEST_F(trash, a_note_that_is_lost_or_damaged_costs_nothing)
{
    dispose(hearsay::not_found);
    ASSERT_TRUE(replace_file(store.trash() / "t" / "trash.json", view("{")));
    EXPECT_EQ(tend_trash(store, begin + 100 * day).value(), 0u);
    EXPECT_TRUE(in_trash());
    ASSERT_TRUE(restore_from_trash(store, "t"));
    EXPECT_TRUE(is_whole());
}

// Goal: wherever a move to the trash, back, or a destruction is cut off, the session is whole at one place, or gone as
// was meant; and doing it again comes to the end. Method: every step there is, found by counting them.
TEST(trash_crash, at_any_step_loses_nothing)
{
    const auto count_steps = [](const std::function<void(store_of_one&, const crash_point&)>& act)
    {
        int steps = 0;
        store_of_one counted;
        act(counted, [&](std::string_view) { ++steps; });
        EXPECT_GE(steps, 2);
        return steps;
    };
    const auto crashes = [](int& left)
    {
        return [&left](std::string_view)
        {
            if (left-- == 0)
                throw simulated_crash();
        };
    };
    const auto to_trash = [](store_of_one& one, const crash_point& at)
    {
        auto folder = session_folder::open(one.store, "t", at).value();
        (void)folder.dispose(hearsay::not_found, begin);
    };
    const auto back = [](store_of_one& one, const crash_point& at) { (void)restore_from_trash(one.store, "t", at); };
    const auto destroy = [](store_of_one& one, const crash_point& at)
    { (void)session_folder::open(one.store, "t", at).value().dispose(never_shared(), begin); };

    for (int step = 0, steps = count_steps(to_trash); step < steps; ++step)
    {
        store_of_one one;
        int left = step;
        EXPECT_THROW(to_trash(one, crashes(left)), simulated_crash);
        ASSERT_NE(one.in_sessions(), one.in_trash()) << step;
        if (one.in_sessions())
        {
            EXPECT_TRUE(one.is_whole());
            to_trash(one, {});
        }
        ASSERT_TRUE(one.in_trash());
        for (int each = 0; each < 2; ++each) // the crash of the way back, then the whole of it
        {
            int at_once = each == 0 ? step % 4 : 100;
            try
            {
                back(one, crashes(at_once));
            }
            catch (const simulated_crash&)
            {
            }
            ASSERT_NE(one.in_sessions(), one.in_trash()) << step;
        }
        EXPECT_TRUE(one.is_whole());
    }
    for (int step = 0, steps = count_steps(destroy); step < steps; ++step)
    {
        store_of_one one;
        int left = step;
        EXPECT_THROW(destroy(one, crashes(left)), simulated_crash);
        EXPECT_EQ(one.is_whole(), step == 0);
    }
}

// Goal: a destruction in the trash that a crash cut off is brought to its end.
TEST_F(trash, a_destruction_that_was_cut_off_goes_on)
{
    dispose(hearsay::not_found);
    const crash_point crash = [](std::string_view step)
    {
        if (step == "destroy rest")
            throw simulated_crash();
    };
    for (int i = 0; i < 30; ++i)
        (void)tend_trash(store, begin + i * day);
    EXPECT_THROW((void)tend_trash(store, begin + 30 * day, crash), simulated_crash);
    EXPECT_FALSE(in_trash());
    EXPECT_FALSE(std::filesystem::is_empty(store.trash()));
    (void)tend_trash(store, begin + 30 * day);
    EXPECT_TRUE(std::filesystem::is_empty(store.trash()));
}
