// What this machine keeps of the account's devices, and what it does when the relay shows something else.
#include "agent/account_test.hpp"
#include "agent/failing_disk.hpp"
#include "base/files.hpp"
#include "identity/device_book.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

class device_book_test : public account_test
{
protected:
    std::unique_ptr<device_book> open()
    {
        auto out = device_book::open(store, *client, owner.id, owner.keys.login.public_key(), own.public_key(), clock);
        EXPECT_TRUE(out);
        (*out)->on_alarm = [this](const device_alarm& each) { alarms.push_back(each.what); };
        (*out)->on_news = [this](const std::string& words) { news.push_back(words); };
        (*out)->on_revoked = [this] { ++revocations; };
        return std::move(*out);
    }
    void show(const device_chain& chain)
    {
        relay.with([&] { relay.chain = chain; });
    }
    /// Whatever the chain is, the relay shows these.
    void lie_with(const std::vector<bytes>& list)
    {
        relay.with(
            [&]
            {
                relay.lie = [list](const std::string& path, const json::object&) -> std::optional<account_relay::answer>
                {
                    if (path == "/v1/devices")
                        return account_relay::answer{200, {{"statements", write_statements(list)}}};
                    return std::nullopt;
                };
            });
    }
    result<void> read(device_book& book) { return run(io, book.read_chain()); }

    ed25519_key own = ed25519_key::random();
    std::vector<device_finding> alarms;
    std::vector<std::string> news;
    int revocations = 0;
};

} // namespace

TEST_F(device_book_test, what_was_read_is_known_after_a_restart)
{
    auto chain = owner.chain();
    const auto browser = some_device();
    owner.add(chain, browser);
    owner.add(chain, own.public_key(), device_kind::agent);
    show(chain);
    const auto book = open();
    EXPECT_FALSE(book->find(browser));
    ASSERT_TRUE(read(*book));
    const auto again = open();
    ASSERT_TRUE(again->find(browser));
    EXPECT_EQ(again->find(browser)->kind, device_kind::browser);
    EXPECT_FALSE(again->find(browser)->revoked);
    EXPECT_EQ(again->find(browser)->name, "") << "only the account's secret opens names";
    EXPECT_EQ(again->digest(), book->digest());
    EXPECT_EQ(again->own(), device_standing::good);
    again->open_names_with(owner.keys.content);
    EXPECT_EQ(again->find(browser)->name, "a device");
    EXPECT_TRUE(alarms.empty());
}

// Goal: a relay that was restored from a backup gets back what it lost, without a person.
TEST_F(device_book_test, a_shorter_chain_is_given_the_rest)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    const auto backup = chain;
    owner.add(chain, own.public_key(), device_kind::agent);
    owner.add(chain, some_device());
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    const auto before = book->digest();
    show(backup);
    ASSERT_TRUE(read(*book));
    EXPECT_EQ(book->digest(), before);
    EXPECT_EQ(relay.with([&] { return relay.chain->head(); }), chain.head());
    EXPECT_EQ(news.size(), 1u);
    EXPECT_TRUE(alarms.empty());
}

TEST_F(device_book_test, one_that_stays_shorter_is_an_alarm_and_changes_nothing)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    const auto shorter = chain;
    owner.revoke(chain, parse_statement(chain.statements()[0])->device);
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    const auto before = book->digest();
    show(shorter);
    relay.with(
        [&]
        {
            relay.lie = [](const std::string& path, const json::object&) -> std::optional<account_relay::answer>
            {
                if (path == "/v1/devices/statements")
                    return account_relay::answer{200, {{"success", true}}};
                return std::nullopt;
            };
        });
    ASSERT_TRUE(read(*book));
    ASSERT_TRUE(read(*book));
    EXPECT_EQ(alarms, std::vector{device_finding::lacking}) << "once, until it is acknowledged";
    EXPECT_EQ(book->digest(), before);
    EXPECT_EQ(open()->alarms().at(0).times, 2u);
    EXPECT_EQ(book->acknowledge().value(), 1u);
    EXPECT_TRUE(open()->alarms().empty());
}

// Goal: two branches of one account: all that was ever said counts, and the person hears of it.
TEST_F(device_book_test, another_branch_is_an_alarm_and_the_union_counts)
{
    auto chain = owner.chain();
    const auto first = some_device();
    owner.add(chain, first);
    auto fork = chain;
    const auto second = some_device();
    owner.add(chain, second);
    owner.revoke(fork, first);
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    show(fork);
    ASSERT_TRUE(read(*book));
    EXPECT_EQ(alarms, std::vector{device_finding::lacking});
    EXPECT_TRUE(book->find(first)->revoked);
    EXPECT_FALSE(book->find(second)->revoked);
    EXPECT_EQ(relay.with([&] { return relay.asked["/v1/devices/statements"]; }), 0);
    // A browser took it over: the relay's branch does the same.
    owner.add(fork, second);
    show(fork);
    ASSERT_TRUE(read(*book));
    EXPECT_EQ(alarms.size(), 1u);
}

TEST_F(device_book_test, what_the_account_did_not_sign_ends_the_chain_and_is_an_alarm)
{
    auto chain = owner.chain();
    const auto browser = some_device();
    owner.add(chain, browser);
    auto list = chain.statements();
    const account_owner mallory;
    const auto strange = some_device();
    list.push_back(mallory.say(chain, statement_action::add, strange));
    lie_with(list);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    EXPECT_TRUE(book->find(browser));
    EXPECT_FALSE(book->find(strange));
    EXPECT_EQ(alarms, std::vector{device_finding::invalid});
}

TEST_F(device_book_test, what_a_relay_held_back_another_device_brings)
{
    auto chain = owner.chain();
    const auto browser = some_device();
    owner.add(chain, browser);
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    owner.revoke(chain, browser);
    EXPECT_TRUE(book->learn(chain.statements()).value());
    EXPECT_FALSE(book->learn(chain.statements()).value());
    EXPECT_TRUE(book->find(browser)->revoked);
    EXPECT_TRUE(open()->find(browser)->revoked);
    auto broken = chain.statements();
    broken.back().back() ^= 1;
    EXPECT_EQ(book->learn(broken).error(), errc::bad_request);
}

TEST_F(device_book_test, a_full_disk_keeps_no_alarm_from_being_heard)
{
    auto list = owner.chain().statements();
    const account_owner mallory;
    list.push_back(mallory.say(owner.chain(), statement_action::add, some_device()));
    lie_with(list);
    const auto book = open();
    {
        const failing_disk disk([](std::string_view call) { return call == "write" ? ENOSPC : 0; });
        EXPECT_FALSE(read(*book));
        EXPECT_FALSE(read(*book));
    }
    EXPECT_TRUE(alarms.empty() || alarms.size() == 1);
    ASSERT_TRUE(read(*book));
    EXPECT_FALSE(alarms.empty());
    EXPECT_EQ(book->alarms().size(), 1u);
    EXPECT_EQ(open()->alarms(), book->alarms());
}

TEST_F(device_book_test, its_own_revocation_is_told_once)
{
    auto chain = owner.chain();
    owner.add(chain, own.public_key(), device_kind::agent);
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    owner.revoke(chain, own.public_key(), device_kind::agent);
    show(chain);
    ASSERT_TRUE(read(*book));
    ASSERT_TRUE(read(*book));
    EXPECT_EQ(revocations, 1);
    EXPECT_EQ(book->own(), device_standing::revoked);
}

// Goal: two agents of one machine do not forget what the other learned.
TEST_F(device_book_test, several_agents_keep_one_book)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    auto fork = chain;
    owner.add(chain, some_device());
    owner.add(fork, some_device());
    const auto left = open();
    const auto right = open();
    ASSERT_TRUE(left->learn(chain.statements()));
    ASSERT_TRUE(right->learn(fork.statements()));
    EXPECT_EQ(open()->statements().size(), 3u);
    EXPECT_EQ(right->statements().size(), 3u);
}

TEST_F(device_book_test, a_stranger_in_the_relays_place_changes_nothing)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    show(chain);
    const auto book = open();
    ASSERT_TRUE(read(*book));
    relay.with(
        [&]
        {
            relay.lie = [](const std::string&, const json::object&)
            { return std::optional(account_relay::answer{200, {{"page", "sign in to this network"}}}); };
        });
    EXPECT_EQ(read(*book).error(), errc::unavailable);
    EXPECT_TRUE(alarms.empty());
    EXPECT_EQ(book->statements().size(), 1u);
}

TEST_F(device_book_test, a_damaged_book_is_never_taken_for_an_empty_one)
{
    ASSERT_TRUE(replace_file(store.directory() / device_file(owner.id), view("{\"format\":1,\"statements\":[\"x\"]}")));
    EXPECT_EQ(
        device_book::open(store, *client, owner.id, owner.keys.login.public_key(), own.public_key(), clock).error(),
        errc::corrupt);
}
