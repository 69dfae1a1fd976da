#include "commands/first_run.hpp"
#include "base/host.hpp"
#include "base/slow_notice.hpp"
#include "base/wakeup.hpp"
#include "consortium/common/qr_code.hpp"
#include "consortium/e2ee/backup.hpp"
#include "consortium/e2ee/keys.hpp"
#include "storage/membership.hpp"
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdio>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace consortium::agent
{
namespace
{

using state = pairing_attempt::state;

constexpr std::size_t link_characters_max = 2048;
constexpr auto poll_interval = std::chrono::seconds(1);
constexpr auto browser_interval = std::chrono::seconds(2);

void say(const own_text& words)
{
    std::printf("%s\n", fitted(words).c_str());
    std::fflush(stdout);
}

asio::awaitable<void> pause(std::chrono::milliseconds time)
{
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// What is typed is not shown, for as long as it lives.
class hidden_typing
{
public:
    hidden_typing() : changed_(::tcgetattr(STDIN_FILENO, &before_) == 0)
    {
        if (!changed_)
            return; // no terminal
        auto silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    ~hidden_typing()
    {
        if (changed_)
            ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    hidden_typing(const hidden_typing&) = delete;
    hidden_typing& operator=(const hidden_typing&) = delete;

private:
    termios before_{};
    bool changed_;
};

/// Looks at something again and again while the person may press Enter; ends their question when it has happened.
class watch
{
public:
    using look = std::function<asio::awaitable<bool>()>;

    watch(const asio::any_io_executor& executor, terminal_input& input)
        : input_(input), stopped_(executor), done_(executor)
    {
    }

    void start(const asio::any_io_executor& executor, look once, std::chrono::milliseconds interval)
    {
        asio::co_spawn(executor, run(*this, std::move(once), interval), asio::detached);
    }
    /// Nothing looks any more when this returns. Whether it has happened.
    asio::awaitable<bool> stop()
    {
        stop_ = true;
        stopped_.notify();
        while (running_)
            co_await done_.wait();
        co_return happened_;
    }

private:
    static asio::awaitable<void> run(watch& self, look once, std::chrono::milliseconds interval)
    {
        while (!self.stop_ && !self.happened_)
        {
            self.happened_ = co_await once();
            if (!self.happened_ && !self.stop_)
                co_await self.stopped_.wait(interval);
        }
        if (self.happened_ && !self.stop_)
            self.input_.cancel();
        self.running_ = false;
        self.done_.notify();
    }

    terminal_input& input_;
    wakeup stopped_;
    wakeup done_;
    bool stop_ = false;
    bool happened_ = false;
    bool running_ = true;
};

} // namespace

asio::awaitable<result<identity>> first_run::choose()
{
    auto begun = co_await go_on();
    if (!begun)
        co_return std::unexpected(begun.error());
    if (*begun)
        co_return **begun;
    say("Consortium relays Claude Code to your browser. Nobody in between can read a word.");
    say("Relay: " + foreign(relay_.server_url()));
    say("");
    say("  1  Pair with my dashboard: a browser of mine is signed in already");
    say("  2  Start here: this machine makes the account, my browser signs in with its key");
    say("  3  Type my account's secret key here: no browser of mine is at hand");
    say("");
    for (;;)
    {
        input_.ask("1, 2 or 3? [1]");
        const auto answer = co_await input_.line();
        if (!answer)
            co_return std::unexpected(answer.error());
        if (answer->empty() || *answer == "1")
            co_return co_await pair();
        if (*answer == "2")
            co_return co_await start_here();
        if (*answer == "3")
            co_return co_await type_secret();
    }
}

// ------------------------------------------------------------------------------------------------------- not finished

asio::awaitable<result<std::optional<identity>>> first_run::go_on()
{
    auto pairing = load_unconfirmed_pairing(store_);
    if (!pairing)
        co_return std::unexpected(pairing.error());
    if (*pairing && (*pairing)->server_url == relay_.server_url())
        co_return co_await wait_for_confirmation(std::move(**pairing));
    auto sign_in_begun = load_unfinished_sign_in(store_);
    if (!sign_in_begun)
        co_return std::unexpected(sign_in_begun.error());
    if (!*sign_in_begun || (*sign_in_begun)->server_url != relay_.server_url())
        co_return std::optional<identity>();
    say("Going on with the sign-in that was begun here.");
    const bool made_here = (*sign_in_begun)->made_here;
    auto who = co_await sign_in(std::move(**sign_in_begun));
    if (!who && !worth_retrying(who.error()) && load_unfinished_sign_in(store_).value_or(std::nullopt))
    {
        say(detail_of(who.error().detail));
        const auto anew = co_await input_.yes("Give it up, with its key, and begin anew?", /*otherwise=*/false);
        if (!anew || !*anew)
            co_return std::unexpected(who.error());
        if (const auto forgotten = forget_unfinished_sign_in(store_); !forgotten)
            co_return std::unexpected(forgotten.error());
        co_return std::optional<identity>();
    }
    if (!who)
        co_return std::unexpected(who.error());
    if (made_here)
        who = co_await show_secret(std::move(*who));
    if (!who)
        co_return std::unexpected(who.error());
    co_return std::optional(std::move(*who));
}

/// The program ended between the digits and the confirmation. Empty: the person wants another pairing.
asio::awaitable<result<std::optional<identity>>> first_run::wait_for_confirmation(unconfirmed_pairing kept)
{
    const auto executor = co_await asio::this_coro::executor;
    auto found = co_await finish_pairing(relay_, store_, kept, clock_);
    if (!found && (found.error() == errc::not_found || worth_retrying(found.error())))
    {
        say("A pairing was begun here, and this machine's half of it was done.");
        if (found.error() == errc::not_found)
            say("It waits for your dashboard.");
        else
            say("Whether your dashboard did the other half is not known: " + detail_of(found.error().detail) +
                ". The relay is asked again.");
        input_.ask("Enter gives it up and begins anew.");
        watch waiting(executor, input_);
        waiting.start(
            executor,
            [&]() -> asio::awaitable<bool>
            {
                found = co_await finish_pairing(relay_, store_, kept, clock_);
                co_return found || !(found.error() == errc::not_found || worth_retrying(found.error()));
            },
            browser_interval);
        (void)co_await input_.line();
        (void)co_await waiting.stop();
        say("");
    }
    if (found)
    {
        say("Paired.");
        say("");
        co_return std::optional(std::move(*found));
    }
    if (found.error() != errc::not_found)
        say(detail_of(found.error().detail));
    if (worth_retrying(found.error()))
        co_return std::unexpected(found.error());
    if (const auto forgotten = forget_unconfirmed_pairing(store_); !forgotten)
        co_return std::unexpected(forgotten.error());
    co_return std::optional<identity>();
}

// ------------------------------------------------------------------------------------------------------------ pairing

asio::awaitable<result<identity>> first_run::pair()
{
    for (;;)
    {
        pairing_attempt attempt(relay_, host_name(), spans_);
        say("");
        say(own_text::composed(qr_code(attempt.link())));
        say("Scan this with your dashboard (Pair a machine), or paste the link there:");
        say("");
        say(foreign(attempt.link(), link_characters_max));
        say("");
        say("Give it to nobody. It works once, and only while this command runs.");
        auto who = co_await compare(attempt);
        if (who)
        {
            say("Paired.");
            say("");
            co_return who;
        }
        co_await attempt.refuse();
        if (who.error() == errc::closed || who.error() == errc::io)
            co_return who;
        say("");
        say("This pairing is over. " + detail_of(who.error().detail));
        say("Nothing is kept on this machine.");
        input_.ask("Enter gives a new link, Ctrl-C stops.");
        if (const auto again = co_await input_.line(); !again)
            co_return std::unexpected(again.error());
    }
}

asio::awaitable<result<state>> first_run::wait_while(pairing_attempt& attempt, state here, own_text waits)
{
    const auto executor = co_await asio::this_coro::executor;
    bool unreached = false;
    bool said = false;
    for (;;)
    {
        std::optional<slow_notice> notice;
        if (!unreached)
            notice.emplace(executor, [&] { say("The relay has not answered yet. It is waited for."); });
        const auto now = co_await attempt.advance();
        notice.reset();
        if (std::exchange(unreached, !attempt.unreached().empty()) != unreached)
            say(unreached ? "The relay is not reached: " + detail_of(attempt.unreached()) +
                                ". It is asked again, and until it answers no dashboard can."
                          : own_text("The relay answers again."));
        if (!now || *now != here)
            co_return now;
        if (!unreached && !std::exchange(said, true))
            say(waits); // not before: while no relay answers nobody else can
        co_await pause(poll_interval);
    }
}

/// Each end shows half of the code and asks for the other half, this one first.
asio::awaitable<result<identity>> first_run::compare(pairing_attempt& attempt)
{
    if (const auto answered = co_await wait_while(attempt, state::waiting, "Waiting for the dashboard."); !answered)
        co_return std::unexpected(answered.error());
    say("");
    say("A dashboard has answered. Is it yours? Each end now shows the other half of a code.");
    say("");
    say("Step 1 of 2. Type here the six digits that stand on the page you opened.");
    say("They stand on that page and nowhere else. Whoever sends or tells you these digits is breaking in: press "
        "Ctrl-C.");
    say("If no page of yours shows them, somebody else has answered: press Ctrl-C.");
    say("");
    const auto digits = co_await ask_for_digits(attempt);
    if (!digits)
        co_return std::unexpected(digits.error());
    if (const auto right = attempt.type(*digits); !right)
        co_return std::unexpected(right.error());
    // From here on the other end may confirm: this machine must know itself again after a crash.
    auto kept = attempt.to_keep();
    if (const auto saved = save_unconfirmed_pairing(store_, kept); !saved)
        co_return std::unexpected(saved.error());
    say("");
    say("Right. Step 2 of 2. Type these six digits into the page:");
    say("");
    say("    " + foreign(attempt.own_half()));
    say("");
    say("Only into the page that you opened yourself; tell them to nobody.");
    const auto confirmed = co_await wait_while(attempt, state::answered, "Waiting for the page.");
    if (!confirmed && confirmed.error() != errc::expired)
    {
        if (const auto forgotten = forget_unconfirmed_pairing(store_); !forgotten)
            co_return std::unexpected(forgotten.error());
        co_return std::unexpected(confirmed.error());
    }
    kept = attempt.to_keep();
    if (const auto saved = save_unconfirmed_pairing(store_, kept); !saved)
        co_return std::unexpected(saved.error());
    backoff delay;
    for (;;)
    {
        auto who = co_await finish_pairing(relay_, store_, kept, clock_);
        if (who)
            co_return who;
        if (!worth_retrying(who.error()))
        {
            if (const auto forgotten = forget_unconfirmed_pairing(store_); !forgotten)
                co_return std::unexpected(forgotten.error());
            // A relay may forget a pairing that was confirmed: the chain was asked.
            co_return confirmed ? who : std::unexpected(confirmed.error());
        }
        co_await pause(delay.next());
    }
}

/// What the person types, as long as the pairing is not over meanwhile.
asio::awaitable<result<std::string>> first_run::ask_for_digits(pairing_attempt& attempt)
{
    const auto executor = co_await asio::this_coro::executor;
    std::optional<error> over;
    watch looking(executor, input_);
    looking.start(
        executor,
        [&]() -> asio::awaitable<bool>
        {
            const auto now = co_await attempt.advance();
            if (!now)
                over = now.error();
            co_return !now;
        },
        poll_interval);
    // There is one try, so only six digits are one, and not a slip.
    result<std::string> typed = std::string();
    for (;;)
    {
        input_.ask("The six digits on the page:");
        typed = co_await input_.line();
        if (!typed)
            break;
        if (auto digits = e2ee::pairing_digits_read(*typed))
        {
            typed = std::move(*digits);
            break;
        }
        if (typed->find_first_not_of(" \t") != std::string::npos)
            say("Those are not six digits.");
    }
    (void)co_await looking.stop();
    if (over)
    {
        say("");
        co_return std::unexpected(*over);
    }
    co_return typed;
}

// ------------------------------------------------------------------------------------------------------------ sign-in

/// With a secret that was made here, or that a person chose to make an account of.
asio::awaitable<result<identity>> first_run::sign_in(unfinished_sign_in what)
{
    // On disk before anything is sent.
    if (const auto saved = save_unfinished_sign_in(store_, what); !saved)
        co_return std::unexpected(saved.error());
    auto who = what.made_here
                   ? co_await make_account(what)
                   : co_await sign_in_with_secret(relay_, store_, what, /*create=*/false, host_name(), clock_);
    if (!who && who.error() == errc::not_found)
    {
        say("");
        say("There is no account of this key at " + foreign(relay_.server_url()) + ".");
        say("Perhaps the key belongs to another relay, or a letter is wrong. Nothing was made.");
        const auto make = co_await input_.yes("Make an empty account with this key?", /*otherwise=*/false);
        if (!make || !*make)
        {
            if (const auto forgotten = forget_unfinished_sign_in(store_); !forgotten)
                co_return std::unexpected(forgotten.error());
            co_return make ? fail(errc::cancelled, "No account was made.") : std::unexpected(make.error());
        }
        who = co_await make_account(what);
    }
    if (who)
        relay_.set_token(who->token);
    co_return who;
}

/// Asks for an invitation as often as the relay wants another one. Where no account is made, its key is forgotten.
asio::awaitable<result<identity>> first_run::make_account(unfinished_sign_in& what)
{
    for (;;)
    {
        auto who = co_await sign_in_with_secret(
            relay_, store_, what, /*create=*/true, host_name(), clock_, std::exchange(invitation_, {}));
        if (who || (who.error() != errc::invitation_required && who.error() != errc::registration_closed))
            co_return who;
        result<std::string> typed = std::string();
        if (who.error() == errc::invitation_required)
        {
            say("");
            say("A new account needs an invitation. " + detail_of(who.error().detail) + ".");
            input_.ask("Invitation, the code or its link (Enter gives up):");
            typed = co_await input_.line();
            if (!typed)
                co_return std::unexpected(typed.error());
        }
        if (typed->find_first_not_of(" \t") != std::string::npos)
        {
            invitation_ = std::move(*typed);
            continue;
        }
        if (const auto forgotten = forget_unfinished_sign_in(store_); !forgotten)
            co_return std::unexpected(forgotten.error());
        if (who.error() == errc::invitation_required)
            co_return fail(errc::cancelled, "No account was made.");
        co_return who;
    }
}

asio::awaitable<result<identity>> first_run::start_here()
{
    unfinished_sign_in what;
    what.server_url = relay_.server_url();
    what.account_secret = key256::random();
    what.device_seed = key256::random();
    what.made_here = true;
    auto who = co_await sign_in(std::move(what));
    if (!who)
        co_return who;
    co_return co_await show_secret(std::move(*who));
}

asio::awaitable<result<identity>> first_run::show_secret(identity who)
{
    say("");
    say("The account exists. This is its secret key; write it down:");
    say("");
    say("    " + own_text::composed(e2ee::backup_text(*who.account_secret)));
    say("");
    say("It is the only way back in. The relay never sees it and nobody can restore it.");
    say("Open " + foreign(relay_.server_url()) + " and sign in with it.");
    say("");
    input_.ask("Waiting for your browser; Enter goes on without it.");

    const auto executor = co_await asio::this_coro::executor;
    watch looking(executor, input_);
    bool said = false;
    looking.start(
        executor,
        [&]() -> asio::awaitable<bool>
        {
            const auto found = co_await has_browser(who);
            if (!found && !std::exchange(said, true))
                say("\nWhether a browser has signed in is not known: " + detail_of(found.error().detail) +
                    ". The relay is asked again.");
            co_return found && *found;
        },
        browser_interval);
    const auto pressed = co_await input_.line();
    const bool seen = co_await looking.stop();
    say("");
    if (!pressed && pressed.error() != errc::cancelled)
        co_return std::unexpected(pressed.error());
    if (seen)
    {
        if (const auto done = co_await offer_to_forget(who); !done)
            co_return std::unexpected(done.error());
    }
    co_return who;
}

asio::awaitable<result<identity>> first_run::type_secret()
{
    say("");
    say("The secret key is needed once, to say that this machine is yours. It is not kept here afterwards.");
    for (;;)
    {
        input_.ask("Secret key (it is not shown):");
        result<std::string> typed = std::string();
        {
            const hidden_typing hidden;
            typed = co_await input_.line();
        }
        say("");
        if (!typed)
            co_return std::unexpected(typed.error());
        const auto secret = e2ee::backup_parse(*typed);
        if (!secret)
        {
            say("That is not a secret key: " + detail_of(secret.error().detail));
            continue;
        }
        unfinished_sign_in what;
        what.server_url = relay_.server_url();
        what.account_secret = *secret;
        what.device_seed = key256::random();
        auto who = co_await sign_in(std::move(what));
        if (who)
        {
            if (const auto shown = co_await show_devices(*who, *secret); !shown)
                say("The devices of the account cannot be shown: " + detail_of(shown.error().detail));
        }
        co_return who;
    }
}

/// The account's devices, as the relay's chain names them now.
asio::awaitable<result<std::unique_ptr<device_book>>> first_run::read_book(const identity& who)
{
    auto book = open_book(store_, relay_, who, clock_);
    if (!book)
        co_return std::unexpected(book.error());
    if (const auto read = co_await (*book)->read_chain(); !read)
        co_return std::unexpected(read.error());
    co_return std::move(*book);
}

/// After the first sign-in: who else is in the account, so that a stranger is seen.
asio::awaitable<result<void>> first_run::show_devices(const identity& who, const key256& secret)
{
    const auto book = co_await read_book(who);
    if (!book)
        co_return std::unexpected(book.error());
    (*book)->open_names_with(e2ee::make_account_keys(secret).content);
    unix_millis changed = 0;
    say("");
    say("The devices of this account:");
    for (const auto& raw : (*book)->statements())
    {
        if (const auto said = parse_statement(raw))
            changed = std::max(changed, said->time);
    }
    for (const auto& key : (*book)->set().devices())
    {
        const auto device = (*book)->find(key);
        const auto added = (*book)->set().addition_of(key);
        const auto kind = device->kind == device_kind::agent ? own_text("machine") : own_text("browser");
        say("  " + kind + "  " + foreign(iso_time(added->time)) + "  " + foreign(device->name, 60) +
            (device->revoked ? own_text("  (revoked)") : own_text("")));
    }
    say("Last changed " + foreign(iso_time(changed)) + ". If you do not know one of them, revoke it in a dashboard.");
    say("");
    co_return result<void>();
}

asio::awaitable<result<bool>> first_run::has_browser(const identity& who)
{
    const auto book = co_await read_book(who);
    if (!book)
        co_return std::unexpected(book.error());
    const auto& set = (*book)->set();
    const auto keys = set.devices();
    co_return std::ranges::any_of(
        keys, [&](const ed25519_public& key)
        { return set.kind_of(key) == device_kind::browser && set.standing_of(key) == device_standing::good; });
}

asio::awaitable<result<void>> first_run::offer_to_forget(identity& who)
{
    if (!who.account_secret)
        co_return result<void>();
    const auto browser = co_await has_browser(who);
    if (!browser || !*browser)
        co_return result<void>(); // not yet, or the relay is away: another time
    say("A browser has signed in with the account's secret key, which this machine still keeps.");
    const auto forget =
        co_await input_.yes("Forget it here? Sessions go on as before; keep what you wrote down.", /*otherwise=*/true);
    if (!forget)
        co_return std::unexpected(forget.error());
    if (!*forget)
        co_return result<void>();
    who.account_secret.reset();
    co_return store_.save_identity(who);
}

} // namespace consortium::agent
