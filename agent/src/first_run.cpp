#include "first_run.hpp"
#include "consortium/e2ee/backup.hpp"
#include "pairing.hpp"
#include "qr_code.hpp"
#include "wakeup.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdio>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

constexpr std::size_t link_characters_max = 2048;

void say(const own_text& words)
{
    std::printf("%s\n", words.view().c_str());
    std::fflush(stdout);
}

/// Until the person presses Enter or a browser appears: what came first is in `seen`.
struct sign_in_watch
{
    bool seen = false;
    bool over = false;
};

asio::awaitable<void>
watch_for_browser(relay_client& relay, terminal_input& input, std::shared_ptr<sign_in_watch> watch)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!watch->over)
    {
        const auto found = co_await has_browser(relay);
        if (watch->over)
            co_return;
        if (found && *found)
        {
            watch->seen = true;
            input.cancel();
            co_return;
        }
        boost::system::error_code ignored;
        timer.expires_after(std::chrono::seconds(2));
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

} // namespace

std::string host_name()
{
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        return "this machine";
    return name;
}

result<ed25519_key> first_run::device()
{
    const auto known = store_.load_device_seed();
    if (!known)
        return std::unexpected(known.error());
    device_seed_ = *known ? **known : key256::random();
    return ed25519_key::from_seed(*device_seed_);
}

result<void> first_run::keep(const identity& who)
{
    if (const auto saved = store_.save_device_seed(*device_seed_); !saved)
        return saved;
    if (const auto saved = store_.save_identity(who); !saved)
        return saved;
    relay_.set_token(who.token);
    return {};
}

asio::awaitable<result<identity>> first_run::choose()
{
    say("Consortium relays Claude Code to your browser. Nobody in between can read a word.");
    say("Relay: " + foreign(relay_.server_url()));
    say("");
    say("  1  Pair with my dashboard: a browser of mine is signed in already");
    say("  2  Start here: this machine makes the account, my browser signs in with its key");
    say("");
    for (;;)
    {
        std::printf("1 or 2? [1] ");
        std::fflush(stdout);
        const auto answer = co_await input_.line();
        if (!answer)
            co_return std::unexpected(answer.error());
        if (answer->empty() || *answer == "1")
            co_return co_await pair();
        if (*answer == "2")
            co_return co_await start_here();
    }
}

asio::awaitable<result<identity>> first_run::pair()
{
    const auto own = device();
    if (!own)
        co_return std::unexpected(own.error());
    pairing_attempt attempt(relay_, own->public_key(), host_name());
    say("");
    say(own_text::composed(qr_code(attempt.link())));
    say("Scan this with the dashboard (Pair a machine), or paste the link there:");
    say("");
    say(foreign(attempt.link(), link_characters_max));
    say("");
    say("Waiting for the approval. The link works once and only while this command runs.");
    const auto approved = co_await attempt.wait(clock_);
    if (!approved)
        co_return std::unexpected(approved.error());

    say("");
    say("Approved. The code of this pairing:");
    say("");
    say("    " + foreign(approved->code));
    say("");
    const auto same = co_await input_.yes("Does the dashboard show the same code?", /*otherwise=*/false);
    if (!same)
        co_return std::unexpected(same.error());
    if (!*same)
        co_return fail(
            errc::cancelled, "Not paired. Somebody else may have approved this request, or stands between this machine "
                             "and your dashboard. Nothing was stored; start again for a new link.");
    if (const auto kept = keep(approved->who); !kept)
        co_return std::unexpected(kept.error());
    say("Paired.");
    say("");
    co_return approved->who;
}

asio::awaitable<result<identity>> first_run::start_here()
{
    const auto own = device();
    if (!own)
        co_return std::unexpected(own.error());
    const auto secret = key256::random();
    auto who = co_await sign_in(relay_, secret, *own, host_name(), clock_);
    if (!who)
        co_return std::unexpected(who.error());
    if (const auto kept = keep(*who); !kept)
        co_return std::unexpected(kept.error());

    say("");
    say("The account exists. This is its secret key; write it down:");
    say("");
    say("    " + foreign(e2ee::backup_text(secret)));
    say("");
    say("It is the only way back in. The relay never sees it and nobody can restore it.");
    say("Open " + foreign(relay_.server_url()) + " and sign in with it.");
    say("");
    std::printf("Waiting for your browser; Enter goes on without it. ");
    std::fflush(stdout);

    const auto watch = std::make_shared<sign_in_watch>();
    asio::co_spawn(co_await asio::this_coro::executor, watch_for_browser(relay_, input_, watch), asio::detached);
    const auto pressed = co_await input_.line();
    watch->over = true;
    say("");
    if (!pressed && pressed.error() != errc::cancelled)
        co_return std::unexpected(pressed.error());
    if (watch->seen)
    {
        if (const auto done = co_await offer_to_forget(*who); !done)
            co_return std::unexpected(done.error());
    }
    co_return who;
}

asio::awaitable<result<void>> first_run::offer_to_forget(identity& who)
{
    if (!who.account_secret)
        co_return result<void>();
    const auto browser = co_await has_browser(relay_);
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
