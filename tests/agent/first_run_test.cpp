// What a person reads and types when a machine is made part of an account.
#include "agent/account_test.hpp"
#include "base/host.hpp"
#include "commands/first_run.hpp"
#include "consortium/e2ee/backup.hpp"
#include "storage/session_folder.hpp"
#include <boost/asio/detached.hpp>
#include <fcntl.h>
#include <regex>
#include <unistd.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

/// The standard input and output of this process, for as long as it lives: a person types, and reads.
class terminal
{
public:
    terminal()
    {
        std::fflush(stdout);
        old_input_ = ::dup(STDIN_FILENO);
        old_output_ = ::dup(STDOUT_FILENO);
        int input[2];
        int output[2];
        if (::pipe(input) != 0 || ::pipe(output) != 0)
            throw std::runtime_error("no pipes");
        ::dup2(input[0], STDIN_FILENO);
        ::dup2(output[1], STDOUT_FILENO);
        ::close(input[0]);
        ::close(output[1]);
        keyboard_ = input[1];
        page_ = output[0];
        ::fcntl(page_, F_SETFL, O_NONBLOCK);
    }
    ~terminal()
    {
        std::fflush(stdout);
        ::dup2(old_input_, STDIN_FILENO);
        ::dup2(old_output_, STDOUT_FILENO);
        for (const int each : {old_input_, old_output_, keyboard_, page_})
            ::close(each);
    }
    terminal(const terminal&) = delete;
    terminal& operator=(const terminal&) = delete;

    void type(const std::string& line) const
    {
        const auto text = line + "\n";
        EXPECT_EQ(::write(keyboard_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    /// Everything that was shown so far.
    const std::string& shown()
    {
        char room[4096];
        for (ssize_t size; (size = ::read(page_, room, sizeof room)) > 0;)
            shown_.append(room, static_cast<std::size_t>(size));
        return shown_;
    }
    bool shows(const std::string& words) { return shown().find(words) != std::string::npos; }

private:
    int old_input_ = -1;
    int old_output_ = -1;
    int keyboard_ = -1;
    int page_ = -1;
    std::string shown_;
};

class first_run_test : public account_test
{
protected:
    first_run_test() { make_account(); }

    void begin()
    {
        done.reset();
        asio::co_spawn(
            io,
            [](first_run_test* self) -> asio::awaitable<void>
            {
                terminal_input input(self->io.get_executor());
                first_run first(self->store, *self->client, input, self->clock, self->spans);
                self->done = co_await first.choose();
            }(this),
            asio::detached);
    }
    bool until(const std::function<bool()>& reached) { return run_until(io, reached, std::chrono::seconds(10)); }
    bool until_shown(const std::string& words)
    {
        return until([&] { return person.shows(words); });
    }
    e2ee::pairing_link link()
    {
        const std::regex form("http://[^ \n]*/pair#v=2&pk=[A-Za-z0-9_-]{43}&s=[A-Za-z0-9_-]{43}");
        const auto& text = person.shown();
        std::string last;
        for (std::sregex_iterator at(text.begin(), text.end(), form), end; at != end; ++at)
            last = at->str();
        return e2ee::pairing_link_parse(last).value();
    }
    account_relay::pairing& asked() { return relay.pairings.at(base64_encode(link().public_key)); }
    /// Plays the dashboard until both ends have the code.
    e2ee::pairing_code answer()
    {
        const auto its = link();
        EXPECT_TRUE(
            until([&] { return relay.with([&] { return relay.pairings.contains(base64_encode(its.public_key)); }); }));
        const auto answered = relay.with([&] { return account_test::answer(asked(), its, honest_answer()); });
        EXPECT_TRUE(until([&] { return relay.with([&] { return asked().status == "revealed"; }); }));
        return relay.with([&] { return code(asked(), its, answered); });
    }

    terminal person;
    std::optional<result<identity>> done;
};

} // namespace

// Goal: nothing of the code is shown before the other half was typed.
TEST_F(first_run_test, pairing_shows_one_half_after_the_other_was_typed)
{
    begin();
    person.type("1");
    ASSERT_TRUE(until_shown("Waiting for the dashboard."));
    const auto code = answer();
    ASSERT_TRUE(until_shown("The six digits on the page:"));
    EXPECT_TRUE(person.shows("Whoever sends or tells you these digits is breaking in"));
    EXPECT_FALSE(person.shows(code.asked_at_terminal));
    EXPECT_FALSE(person.shows(code.shown_at_terminal));
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
    person.type("");  // an Enter too many is no try
    person.type("1"); // nor is an answer to an earlier question that was given twice
    ASSERT_TRUE(until_shown("Those are not six digits."));
    person.type(code.asked_at_terminal);
    ASSERT_TRUE(until_shown(code.shown_at_terminal));
    EXPECT_TRUE(load_unconfirmed_pairing(store).value());
    EXPECT_FALSE(store.load_identity().value());
    relay.with(
        [&]
        {
            owner.add(*relay.chain, account_relay::request_of(asked()).device, device_kind::agent);
            asked().status = "authorized";
        });
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    ASSERT_TRUE(*done) << done->error().detail;
    EXPECT_EQ(store.load_identity().value()->account_id, to_string(owner.id));
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
}

TEST_F(first_run_test, wrong_digits_end_it_and_enter_gives_another_link)
{
    begin();
    person.type("1");
    ASSERT_TRUE(until_shown("Waiting for the dashboard."));
    const auto first = link();
    const auto code = answer();
    ASSERT_TRUE(until_shown("The six digits on the page:"));
    person.type(code.asked_at_terminal == "123 456" ? "123 457" : "123 456");
    ASSERT_TRUE(until_shown("This pairing is over."));
    EXPECT_TRUE(until([&] { return relay.with([&] { return asked().refused_well; }); }));
    EXPECT_FALSE(person.shows(code.shown_at_terminal));
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
    person.type("");
    ASSERT_TRUE(until([&] { return link().public_key != first.public_key; }));
    const auto again = answer();
    person.type(again.asked_at_terminal);
    EXPECT_TRUE(until_shown(again.shown_at_terminal));
}

TEST_F(first_run_test, what_the_other_end_refuses_ends_the_question)
{
    begin();
    person.type("1");
    ASSERT_TRUE(until_shown("Waiting for the dashboard."));
    const auto code = answer();
    ASSERT_TRUE(until_shown("The six digits on the page:"));
    relay.with([&] { asked().status = "refused"; });
    ASSERT_TRUE(until_shown("This pairing is over."));
    EXPECT_FALSE(person.shows(code.shown_at_terminal));
}

TEST_F(first_run_test, a_machine_that_starts_here_shows_the_secret_of_the_account_it_made)
{
    relay.chain.reset();
    begin();
    person.type("2");
    ASSERT_TRUE(until_shown("Waiting for your browser"));
    const auto who = store.load_identity().value();
    ASSERT_TRUE(who && who->account_secret);
    EXPECT_TRUE(person.shows(e2ee::backup_text(*who->account_secret)));
    EXPECT_EQ(relay.with([&] { return relay.chain->size(); }), 1u);
    person.type("");
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    EXPECT_TRUE(*done);
}

TEST_F(first_run_test, a_typed_secret_without_an_account_is_said_before_anything_is_made)
{
    relay.chain.reset();
    const auto secret = key256::random();
    begin();
    person.type("3");
    ASSERT_TRUE(until_shown("Secret key"));
    person.type("nonsense");
    ASSERT_TRUE(until_shown("That is not a secret key"));
    person.type(e2ee::backup_text(secret));
    ASSERT_TRUE(until_shown("Make an empty account with this key?"));
    EXPECT_FALSE(relay.with([&] { return relay.chain.has_value(); }));
    person.type("n");
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    EXPECT_EQ(done->error(), errc::cancelled);
    EXPECT_FALSE(load_unfinished_sign_in(store).value());
    EXPECT_FALSE(relay.with([&] { return relay.chain.has_value(); }));

    begin();
    person.type("3");
    person.type(e2ee::backup_text(secret));
    person.type("y");
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    ASSERT_TRUE(*done) << done->error().detail;
    EXPECT_FALSE((*done)->account_secret) << "a typed secret is not kept";
    EXPECT_TRUE(person.shows("The devices of this account:"));
    EXPECT_TRUE(person.shows(host_name()));
}

// Goal: a confirmation that the relay has in the chain counts, even where it has forgotten the pairing.
TEST_F(first_run_test, a_relay_that_forgot_a_confirmed_pairing_does_not_undo_it)
{
    begin();
    person.type("1");
    ASSERT_TRUE(until_shown("Waiting for the dashboard."));
    const auto code = answer();
    person.type(code.asked_at_terminal);
    ASSERT_TRUE(until_shown(code.shown_at_terminal));
    relay.with(
        [&]
        {
            owner.add(*relay.chain, account_relay::request_of(asked()).device, device_kind::agent);
            relay.pairings.clear();
        });
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    EXPECT_TRUE(*done) << done->error().detail;
}

TEST_F(first_run_test, a_relay_that_forgot_an_unconfirmed_pairing_ends_it)
{
    begin();
    person.type("1");
    ASSERT_TRUE(until_shown("Waiting for the dashboard."));
    const auto code = answer();
    person.type(code.asked_at_terminal);
    ASSERT_TRUE(until_shown(code.shown_at_terminal));
    relay.with([&] { relay.pairings.clear(); });
    ASSERT_TRUE(until_shown("This pairing is over. The relay knows nothing of this pairing any more"));
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
    EXPECT_FALSE(store.load_identity().value());
}

// Goal: the program may end between the digits and the confirmation.
TEST_F(first_run_test, a_pairing_that_waits_for_its_confirmation_goes_on)
{
    const auto device = key256::random();
    unconfirmed_pairing kept;
    kept.server_url = relay.url();
    kept.answer = {owner.keys.login.public_key(), owner.keys.content.public_key(), owner.id,
                   relay.chain->head().n,         relay.chain->head().hash,        {}};
    kept.device_seed = device;
    ASSERT_TRUE(save_unconfirmed_pairing(store, kept));
    begin();
    ASSERT_TRUE(until_shown("It waits for your dashboard."));
    relay.with([&] { owner.add(*relay.chain, ed25519_key::from_seed(device).public_key(), device_kind::agent); });
    ASSERT_TRUE(until([&] { return done.has_value(); }));
    ASSERT_TRUE(*done) << done->error().detail;
    EXPECT_EQ(store.load_device_seed().value(), device);
}
