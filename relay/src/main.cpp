#include "assets.hpp"
#include "config.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/projections/views.hpp"
#include "server.hpp"
#include "socket_rules.hpp"
#include <csignal>
#include <cstdio>
#include <iostream>
#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

// Logins from one address, and from all together. Argon2id is not in this path: a login costs two signature checks and
// one commit.
constexpr rate_limiter::settings guest_rates{.each = {20, 400}, .all = {1000, 4000}};
// An agent asks once per second how its pairing goes.
constexpr rate_limiter::settings poller_rates{.each = {20, 100}, .all = {2000, 4000}};
constexpr pairing_book::settings pairing_bounds{
    .pending_max = limits::pairings_pending_max, .pending_per_address_max = 100};
constexpr auto drain_limit = 700ms;
constexpr std::size_t reader_threads = 2;

int refuse_to_start(const error& why)
{
    std::fprintf(stderr, "consortium-relay: %s\n", why.detail.c_str());
    return 1;
}

void set_up_logging(const std::string& level)
{
    auto logger = spdlog::stderr_logger_mt("relay");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    spdlog::set_default_logger(std::move(logger));
    spdlog::set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
}

/// SIGTERM and SIGINT, waited for by main() alone: blocked before any thread is made.
sigset_t block_signals()
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return wanted;
}

std::string own_address(const config& settings, std::uint16_t port)
{
    std::string host = settings.listen;
    if (host == "0.0.0.0" || host == "::")
        host = "127.0.0.1";
    if (host.find(':') != std::string::npos)
        host = "[" + host + "]";
    return (settings.tls() ? "https://" : "http://") + host + ":" + std::to_string(port);
}

void announce(const config& settings, const accepted_origins& origins, std::uint16_t port, const found_secret& secret)
{
    const auto address = own_address(settings, port);
    std::cout << "listening on " << address << '\n';
    if (!secret.generated.empty())
        std::cout << "made a new secret in " << secret.generated.string() << ": back it up, apart from "
                  << settings.data.string() << "; without it the log cannot be opened\n";
    const auto open = origins.first_public_url().empty() ? address : std::string(origins.first_public_url());
    std::cout << "open the dashboard: " << open << "\n"
              << "then run `consortium` in a project folder and scan the code it shows" << std::endl;
}

/// Everything that runs, in the order it is made; taken down in the opposite order.
int serve(const config& settings, const sigset_t& signals)
{
    auto server = net::http_server::listen({
        .address = settings.listen,
        .port = settings.port,
        .threads = settings.io_threads,
        .certificate_file = settings.tls_certificate,
        .key_file = settings.tls_key,
    });
    if (!server)
        return refuse_to_start(server.error());
    const auto origins = accepted_origins::make(
        {.public_urls = settings.public_urls, .own_hosts = own_hosts(), .port = (*server)->port()});
    if (!origins)
        return refuse_to_start(origins.error());
    const auto secret = find_secret(settings);
    if (!secret)
        return refuse_to_start(secret.error());

    const system_clock_source clock;
    hub commits(**server, {.queue_bytes_max = limits::socket_queue_bytes_max, .mark_every = limits::caught_up_every});
    auto opened = log::open_log(
        {.directory = settings.data, .witness = {}, .master_secret = secret->value}, projections::rules(), commits,
        clock);
    if (!opened && opened.error() == errc::wrong_secret)
        return refuse_to_start(
            {errc::wrong_secret,
             opened.error().detail + (settings.master_secret ? " (it came from CONSORTIUM_MASTER_SECRET)"
                                                             : " (it came from " + settings.data.string() +
                                                                   ".secret; set CONSORTIUM_MASTER_SECRET)"),
             {}});
    if (!opened)
        return refuse_to_start(opened.error());
    auto& events = **opened;
    if (const auto torn = events.opened().repaired_bytes; torn > 0)
        spdlog::warn("discarded a torn batch of {} bytes, which nobody was told had been stored", torn);
    if (const auto kept = events.opened().kept_records; kept > 0)
        spdlog::info("kept {} records that were stored just before the last end", kept);

    update_writer updates(events);
    authenticator tokens(
        events.keys().token_seed,
        [&](const token_claims& claims) -> result<projections::principal>
        {
            const auto device = projections::find_device(*events.read(), claims.account, claims.device);
            if (!device)
                return std::unexpected(device.error());
            if (device->revoked_at)
                return fail(errc::revoked, "this device was revoked");
            return projections::principal{claims.account, claims.device, device->kind};
        });
    challenge_book challenges(clock);
    pairing_book pairings(clock, pairing_bounds);
    rate_limiter guests(clock, guest_rates);
    rate_limiter pollers(clock, poller_rates);
    presence_service presence(
        commits, clock,
        {.session_timeout = settings.session_timeout,
         .machine_timeout = limits::machine_timeout,
         .activity_interval = limits::activity_interval});
    if (auto loaded = presence.load(*events.read()); !loaded)
        return refuse_to_start(loaded.error());
    rpc_service rpc(
        commits, **server, clock,
        {.timeout = settings.rpc_timeout,
         .grace = std::min<std::chrono::milliseconds>(limits::rpc_target_grace, settings.rpc_timeout / 6)});
    const asset_store assets(embedded_files());
    boost::asio::thread_pool readers(reader_threads);
    services shared{
        .settings = settings,
        .clock = clock,
        .log = events,
        .commits = commits,
        .updates = updates,
        .tokens = tokens,
        .challenges = challenges,
        .pairings = pairings,
        .origins = *origins,
        .guests = guests,
        .pollers = pollers,
        .presence = presence,
        .rpc = rpc,
        .assets = assets,
        .readers = readers,
    };
    socket_rules rules(shared);
    request_router router(shared);
    const auto sockets = socket_server::make(
        **server, rules,
        {.ping_interval = settings.ping_interval,
         .ping_timeout = settings.ping_timeout,
         .connect_timeout = settings.connect_timeout});
    router.attach(*sockets);
    commits.attach(
        events, updates,
        {.committed =
             [&](const log::event& happened)
         {
             if (happened.header.type == log::event_type::device_revoked)
                 tokens.forget(happened.header.stream.as<device_id>());
             if (happened.header.type == log::event_type::account_deleted)
                 tokens.forget(happened.header.account);
             presence.committed(happened);
         },
         .pressure = [&](bool high)
         { sockets->for_each_here([&](socket& client) { socket_rules::hold(client, high); }); },
         .failure =
             [](const error& why)
         {
             // What is in memory may be ahead of the disk: nothing of it may be said to anybody any more.
             spdlog::critical("the log cannot be written: {}", why.detail);
             spdlog::shutdown();
             std::_Exit(1);
         }});
    (*server)->start(router);
    presence.start(**server);
    announce(settings, *origins, (*server)->port(), *secret);
    spdlog::info(
        "ready: log {}, {} records, opened in {} ms", to_string(events.id()), events.opened().head.value,
        events.opened().opening.count());

    int signal = 0;
    sigwait(&signals, &signal);
    spdlog::info("stopping");
    presence.stop();
    sockets->close_all("the relay is stopping");
    (*server)->drain(drain_limit);
    readers.join();
    events.close();
    (*server)->stop();
    spdlog::info("stopped");
    return 0;
}

} // namespace
} // namespace consortium::relay

int main(int argc, char** argv)
{
    using namespace consortium;
    using namespace consortium::relay;
    const auto parsed = parse_config(argc, argv);
    if (parsed.exit_code)
    {
        std::fputs(parsed.message.c_str(), *parsed.exit_code == 0 ? stdout : stderr);
        return *parsed.exit_code;
    }
    const auto signals = block_signals();
    set_up_logging(parsed.settings.log_level);
    init_crypto();
    try
    {
        return serve(parsed.settings, signals);
    }
    catch (const std::exception& bug)
    {
        std::fprintf(stderr, "consortium-relay: %s\n", bug.what());
        return 1;
    }
}
