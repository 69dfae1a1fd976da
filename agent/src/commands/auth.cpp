#include "commands/commands.hpp"
#include "commands/first_run.hpp"
#include "identity/device_book.hpp"
#include "identity/sign_in.hpp"
#include "link/spool.hpp"
#include "storage/membership.hpp"
#include "storage/session_folder.hpp"
#include "storage/trash.hpp"
#include <cstdlib>

namespace consortium::agent
{
namespace
{

constexpr auto local_relay = "http://127.0.0.1:3005";

} // namespace

std::string chosen_server(const std::optional<identity>& known)
{
    std::string out;
    if (const char* named = std::getenv("CONSORTIUM_SERVER_URL"); named != nullptr && *named != '\0')
        out = named;
    else
        out = known ? known->server_url : local_relay;
    while (out.ends_with('/'))
        out.pop_back();
    return out;
}

result<std::unique_ptr<relay_client>> connect_to(surroundings& with, const std::string& server)
{
    const auto address = net::parse_url(server);
    if (address && !address->tls && !net::is_loopback(address->host) && !with.insecure)
        return fail(
            errc::bad_request, "The relay at " + server +
                                   " is reached without TLS: everybody on the way could take this machine's token. Use "
                                   "its https:// address, or give --insecure if you know the whole way to it.");
    auto options = client_options_from_environment();
    if (address)
    {
        const auto proxy = net::choose_proxy(options.proxies, *address);
        if (!proxy)
            return std::unexpected(proxy.error());
        if (*proxy)
            with.out.text(
                "The relay is reached through the proxy " + foreign((*proxy)->shown()) + ", as " +
                foreign(std::string((*proxy)->variable)) + " says.");
    }
    return relay_client::make(with.io.get_executor(), server, std::move(options));
}

boost::asio::awaitable<int> auth_login(surroundings& with, const std::string& invitation)
{
    const auto known = with.store.load_identity();
    if (!known && known.error() != errc::corrupt)
    {
        with.out.text(detail_of(known.error().detail));
        co_return 1;
    }
    const auto server = chosen_server(known ? *known : std::nullopt);
    auto relay = connect_to(with, server);
    if (!relay)
    {
        with.out.text(detail_of(relay.error().detail));
        co_return 1;
    }
    terminal_input input(with.io.get_executor());
    if (known && *known)
    {
        const auto replace = co_await input.yes(
            "This machine belongs to an account at " + foreign((*known)->server_url) + " already. Replace that?",
            false);
        if (!replace || !*replace)
            co_return 1;
    }
    (*relay)->on_stranger = [&out = with.out](const relay_failure& why) { out.line("offline", why.detail); };
    const system_boot_clock spans;
    first_run first(with.store, **relay, input, with.clock, spans, invitation);
    const auto who = co_await first.choose();
    if (!who)
    {
        with.out.text(detail_of(who.error().detail));
        co_return 1;
    }
    with.out.text("This machine is ready. Run `consortium` in a project folder.");
    co_return 0;
}

/// Voids this machine's tokens at the relay. False: nobody knows, the relay was not reached.
boost::asio::awaitable<bool> void_token(surroundings& with, const identity& who)
{
    auto relay = connect_to(with, who.server_url);
    if (!relay)
        co_return false;
    (*relay)->set_token(who.token);
    const auto done = co_await (*relay)->post("/v1/auth/logout", {}, "success");
    // What the relay refuses is void already.
    co_return done || (done.error().by_relay && !worth_retrying(done.error()));
}

boost::asio::awaitable<int> auth_logout(surroundings& with)
{
    const auto known = with.store.load_identity();
    if (known && !*known)
    {
        // A pairing or a sign-in that was begun leaves keys too.
        if (const auto forgotten = with.store.forget_account(); !forgotten)
        {
            with.out.text(detail_of(forgotten.error().detail));
            co_return 1;
        }
        with.out.text("This machine belongs to no account, and keeps no key of one.");
        co_return 0;
    }
    if (known && (*known)->account_secret)
    {
        terminal_input input(with.io.get_executor());
        const auto sure = co_await input.yes(
            "This machine still keeps the account's secret key, and no browser may have it. Forget it?", false);
        if (!sure || !*sure)
            co_return 1;
    }
    const bool voided = known && co_await void_token(with, **known);
    if (const auto destroyed = known ? destroy_sessions(with.store, **known, with.clock.now()) : result<void>();
        !destroyed)
    {
        with.out.text(detail_of(destroyed.error().detail));
        co_return 1;
    }
    if (const auto forgotten = with.store.forget_account(); !forgotten)
    {
        with.out.text(detail_of(forgotten.error().detail));
        co_return 1;
    }
    with.out.text("Logged out. The keys of this machine and of its sessions are destroyed here.");
    if (!voided)
        with.out.text(
            "The relay has not confirmed it: what was this machine's token may open it until the machine is revoked.");
    with.out.text("The account's list of devices names this machine until you revoke it in a browser.");
    co_return 0;
}

/// What the relay does not take of this machine's sessions.
void show_refused(screen& out, const keystore& store)
{
    for (const auto& tag : session_folder::list(store))
    {
        const auto record = session_folder::look_at(store, tag);
        if (record && !record->refused.empty())
            out.text("Refused   session " + foreign(record->session_id) + ": " + detail_of(record->refused));
        const auto aside = spool::file_aside(store.sessions() / tag / "spool");
        std::error_code none;
        if (record && std::filesystem::file_size(aside, none) > 0 && !none)
            out.text(
                "Not sent  session " + foreign(record->session_id) + ": what could not be sent is kept in " +
                foreign(aside.string()));
    }
}

boost::asio::awaitable<int> auth_status(surroundings& with)
{
    const auto known = with.store.load_identity();
    if (!known)
    {
        with.out.text(detail_of(known.error().detail));
        co_return 1;
    }
    if (!*known)
    {
        with.out.text("Not paired. Run `consortium` to pair this machine.");
        co_return 1;
    }
    const auto& who = **known;
    with.out.text("Relay     " + foreign(who.server_url));
    with.out.text("Account   " + foreign(who.account_id));
    with.out.text("Since     " + foreign(iso_time(who.since)));
    if (who.account_secret)
        with.out.text("Key       the account's secret key is still kept here");
    if (const auto memory = with.store.load_log_memory(); !memory)
        with.out.text("Log       " + detail_of(memory.error().detail));
    else
        show_log_alarms(with.out, *memory, who.server_url);
    show_refused(with.out, with.store);
    auto relay = connect_to(with, who.server_url);
    if (!relay)
    {
        with.out.text(detail_of(relay.error().detail));
        co_return 1;
    }
    (*relay)->set_token(who.token);
    auto book = open_book(with.store, **relay, who, with.clock);
    if (!book)
    {
        with.out.text("Devices   " + detail_of(book.error().detail));
        co_return 1;
    }
    const auto read = co_await (*book)->read_chain();
    show_device_alarms(with.out, **book);
    if (!read)
        with.out.text("Devices   not read: " + detail_of(read.error().detail));
    else if ((*book)->own() == device_standing::revoked)
    {
        with.out.text("Access    none: this machine was revoked. `consortium auth login` pairs it again.");
        co_return 1;
    }
    const auto answer = co_await (*relay)->get("/v1/sessions", "sessions");
    if (answer)
        with.out.text("Access    the relay answers and knows this machine");
    else if (worth_retrying(answer.error()))
        with.out.text("Access    unknown: the relay is not reached (" + detail_of(answer.error().detail) + ")");
    else
        with.out.text(
            "Access    refused: " + detail_of(answer.error().detail) +
            ". `consortium auth login` pairs this machine again.");
    co_return answer ? 0 : 1;
}

} // namespace consortium::agent
