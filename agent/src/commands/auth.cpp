#include "commands/commands.hpp"
#include "first_run.hpp"
#include "pairing.hpp"
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
    return relay_client::make(with.io.get_executor(), server, client_options_from_environment());
}

boost::asio::awaitable<int> auth_login(surroundings& with)
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
    first_run first(with.store, **relay, input, with.clock);
    const auto who = co_await first.choose();
    if (!who)
    {
        with.out.text(detail_of(who.error().detail));
        co_return 1;
    }
    with.out.text("This machine is ready. Run `consortium` in a project folder.");
    co_return 0;
}

boost::asio::awaitable<int> auth_logout(surroundings& with)
{
    const auto known = with.store.load_identity();
    if (known && !*known)
    {
        with.out.text("This machine belongs to no account.");
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
    if (const auto forgotten = with.store.forget_identity(); !forgotten)
    {
        with.out.text(detail_of(forgotten.error().detail));
        co_return 1;
    }
    with.out.text(
        "Forgotten here. Revoke this machine in the dashboard too: until then its old token still opens the relay.");
    co_return 0;
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
    auto relay = connect_to(with, who.server_url);
    if (!relay)
    {
        with.out.text(detail_of(relay.error().detail));
        co_return 1;
    }
    (*relay)->set_token(who.token);
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
