#include "consortium/common/invitation.hpp"
#include "erasing.hpp"
#include "projections/random_history.hpp"
#include <algorithm>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

using rows_of_tables = std::vector<memory_views::rows>;

std::set<table> tables_with(std::initializer_list<key_shape> shapes)
{
    std::set<table> out;
    for (log::table_id number = 0; number < all_rows::descriptions.size(); ++number)
        if (std::ranges::find(shapes, all_rows::descriptions[number].key) != shapes.end())
            out.insert(static_cast<table>(number));
    return out;
}

std::set<table> all_tables()
{
    std::set<table> out;
    for (log::table_id number = 0; number < all_rows::descriptions.size(); ++number)
        if (all_rows::descriptions[number].key != key_shape::retired)
            out.insert(static_cast<table>(number));
    return out;
}

/// In which tables rows came to be.
std::set<table> grown(const rows_of_tables& before, const rows_of_tables& after)
{
    std::set<table> out;
    for (log::table_id number = 0; number < before.size(); ++number)
        for (const auto& [key, value] : after[number])
            if (!before[number].contains(key))
                out.insert(static_cast<table>(number));
    return out;
}

/// In which tables anything is not as it was.
std::set<table> changed(const rows_of_tables& before, const rows_of_tables& after)
{
    std::set<table> out;
    for (log::table_id number = 0; number < before.size(); ++number)
        if (before[number] != after[number])
            out.insert(static_cast<table>(number));
    return out;
}

std::string names(const std::set<table>& of)
{
    std::string out;
    for (const auto one : of)
        out += std::string(name(one)) + " ";
    return out;
}

/// What the account keeps of everything that happened in it, whatever is deleted: its place in its stream.
const std::set kept_for_ever{table::account_totals, table::revision_run};

/// Makes rows in every table that a session, a machine or an account can have rows in. Who adds a table adds what fills
/// it here: the tests below fail until it is filled.
class erasing : public memory_log_test
{
protected:
    session_id fill_session(const principal& who)
    {
        const auto session = session_of(who, "doomed");
        EXPECT_TRUE(submit(message_wish(who, session, {{"one", "local"}, {"two", {}}})));
        auto metadata = about<change_session_metadata>(who, session);
        metadata.expected = find_session(at_, who.account, session)->metadata_version;
        metadata.metadata = "changed";
        EXPECT_TRUE(log_.submit(metadata));
        auto state = about<change_agent_state>(who, session);
        state.state = "state";
        EXPECT_TRUE(log_.submit(state));
        EXPECT_TRUE(submit(about<lease_session>(who, session)));
        return session;
    }
    /// One more browser, which signs the deletion of a session.
    void fill_chain(const principal& who, std::uint8_t account_key)
    {
        auto& chain = account(account_key);
        EXPECT_TRUE(state(chain, chain.follow(chain.add(public_key(80)))));
        auto deleted = about<delete_session>(who, session_of(who, "deleted"));
        deleted.proof = sign_deletion(signing_key(80), who.account, deleted.session);
        EXPECT_TRUE(log_.submit(deleted));
    }
    void fill_machine(const principal& who)
    {
        EXPECT_TRUE(submit(machine_wish(who, "doomed")));
        auto online = about<set_machine_online>(who, "doomed");
        online.online = true;
        EXPECT_TRUE(log_.submit(online));
    }
    principal fill_account(std::uint8_t key)
    {
        const auto who = sign_in(key, 77, log::device_kind::browser);
        fill_session(who);
        fill_machine(who);
        fill_chain(who, key);
        invite guest;
        guest.who = who;
        guest.invitation = make_invitation().id;
        EXPECT_TRUE(log_.submit(guest));
        return who;
    }
};

} // namespace

// Goal: no table that holds rows of a session is forgotten when it is deleted. Method: fills every table there is for
// one, deletes it, and holds each whole table against what it was before.
TEST_F(erasing, of_a_deleted_session_nothing_is_left)
{
    const auto before = log_.views.tables();
    const auto session = fill_session(browser_);
    const auto filled = grown(before, log_.views.tables());
    for (const auto one : tables_with(
             {key_shape::session, key_shape::session_thing, key_shape::session_index, key_shape::session_or_machine}))
        EXPECT_TRUE(filled.contains(one)) << name(one) << " is not filled by this test";
    ASSERT_TRUE(submit(about<delete_session>(browser_, session)));
    EXPECT_EQ(names(changed(before, log_.views.tables())), names(kept_for_ever));
}

// Of a signed one that it was signed; nothing else.
TEST_F(erasing, of_a_session_whose_deletion_was_signed_only_that_is_left)
{
    fill_chain(browser_, 1);
    const auto before = log_.views.tables();
    auto wanted = about<delete_session>(browser_, fill_session(browser_));
    wanted.proof = sign_deletion(signing_key(80), browser_.account, wanted.session);
    ASSERT_TRUE(log_.submit(wanted));
    auto expected = kept_for_ever;
    expected.insert(table::deleted_session);
    EXPECT_EQ(names(changed(before, log_.views.tables())), names(expected));
}

TEST_F(erasing, of_a_removed_machine_nothing_is_left)
{
    const auto before = log_.views.tables();
    fill_machine(browser_);
    const auto filled = grown(before, log_.views.tables());
    for (const auto one : tables_with({key_shape::machine, key_shape::machine_index, key_shape::session_or_machine}))
        EXPECT_TRUE(filled.contains(one)) << name(one) << " is not filled by this test";
    ASSERT_TRUE(submit(about<remove_machine>(browser_, "doomed")));
    EXPECT_EQ(names(changed(before, log_.views.tables())), names(kept_for_ever));
}

TEST_F(erasing, of_a_deleted_account_nothing_is_left)
{
    const auto before = log_.views.tables();
    const auto doomed = fill_account(70);
    EXPECT_EQ(names(grown(before, log_.views.tables())), names(all_tables()))
        << "not all tables are filled by this test";
    auto all = by<delete_account>(doomed);
    ASSERT_TRUE(log_.submit(all));
    EXPECT_EQ(names(changed(before, log_.views.tables())), "");
}

// Goal: the same whatever happened before, and in whichever order it is deleted.
RC_GTEST_PROP(erasing_property, after_the_last_account_no_table_has_a_row, ())
{
    random_history history;
    history.run(*histories());
    std::set<account_id> accounts;
    for (lsn next{1}; next <= history.log.head(); next = next.next())
        accounts.insert(history.log.read(next).header.account);
    for (const auto account : accounts)
        if (find_account(memory_snapshot(history.log), account))
            rules().fold(
                {.number = history.log.head().next(),
                 .header =
                     {.type = log::event_type::account_deleted,
                      .account = account,
                      .stream = account.as<stream_id>(),
                      .rev = last_revision(memory_snapshot(history.log), account)->next()},
                 .body = log::no_body{}},
                history.log.views);
    for (log::table_id number = 0; number < rules().tables().size(); ++number)
        RC_ASSERT(history.log.views.tables()[number].empty());
}
