#include "config.hpp"
#include "consortium/log/master_secret.hpp"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <thread>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

std::size_t default_threads()
{
    const auto cores = std::max(1u, std::thread::hardware_concurrency());
    return std::clamp<std::size_t>(cores - 1, 1, 64);
}

/// "20/400": so many a second, so many at once.
std::optional<token_bucket::rate> read_rate(std::string_view text)
{
    constexpr double most = 1e9;
    token_bucket::rate out{};
    const char* const end = text.data() + text.size();
    const auto [slash, wrong] = std::from_chars(text.data(), end, out.per_second, std::chars_format::fixed);
    if (wrong != std::errc() || slash == end || *slash != '/')
        return std::nullopt;
    const auto [last, wrong_too] = std::from_chars(slash + 1, end, out.burst, std::chars_format::fixed);
    const bool whole = wrong_too == std::errc() && last == end;
    // A bucket that never holds one lets nobody in, and one that never fills only the first.
    if (!whole || !(out.per_second > 0 && out.per_second <= most) || !(out.burst >= 1 && out.burst <= most))
        return std::nullopt;
    return out;
}

result<std::string> read_file(const std::filesystem::path& path)
{
    std::ifstream file(path);
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (!file.good() && !file.eof())
        return fail_errno("reading " + path.string(), errno);
    return text;
}

result<void> write_secret(const std::filesystem::path& path, std::string_view text)
{
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno("cannot write " + path.string(), errno);
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    const int saved = errno;
    ::close(fd);
    if (!written)
        return fail_errno("cannot write " + path.string(), saved);
    auto parent = path.parent_path();
    const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0)
    {
        ::fsync(directory);
        ::close(directory);
    }
    return {};
}

} // namespace

parsed_config parse_config(int argc, const char* const* argv)
{
    parsed_config out;
    auto& settings = out.settings;
    settings.io_threads = default_threads();

    CLI::App app(
        "The Consortium relay: keeps the sealed log, serves the dashboard, and passes on between agents and browsers\n"
        "what it cannot read. Every flag can also be set by the environment variable named behind it.",
        "consortium-relay");
    app.set_version_flag("--version", CONSORTIUM_VERSION);
    app.footer(
        "CONSORTIUM_MASTER_SECRET protects the keys of the log (at least 32 characters). Without it the relay\n"
        "makes one for a new log and keeps it in DIR.secret.\n"
        "DATABASE_URL (postgresql://USER:PASSWORD@HOST/DATABASE) has the log mirrored into a PostgreSQL database.");
    const auto milliseconds =
        [&](const char* flag, const char* variable, std::chrono::milliseconds& to, const char* what)
    {
        app.add_option_function<std::int64_t>(
               flag, [&to](std::int64_t given) { to = std::chrono::milliseconds(given); }, what)
            ->envname(variable)
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{86'400'000}))
            ->type_name("MS")
            ->default_str(std::to_string(to.count()));
    };
    app.add_option("--port", settings.port, "Port to listen on; 0: any free one")
        ->envname("PORT")
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--data", settings.data, "Directory of the log")
        ->envname("CONSORTIUM_DATA_DIR")
        ->capture_default_str()
        ->type_name("DIR");
    app.add_option(
           "--witness", settings.witness,
           "Where the head witness lies, if not in DIR: on another disk it survives what happens to DIR")
        ->envname("CONSORTIUM_WITNESS")
        ->type_name("FILE");
    app.add_option_function<std::size_t>(
           "--disk-floor-mib", [&settings](std::size_t given) { settings.disk_free_floor_bytes = given << 20; },
           "Less free space than this, and writes are refused while reads go on")
        ->envname("CONSORTIUM_DISK_FLOOR_MIB")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
        ->type_name("MIB")
        ->default_str(std::to_string(settings.disk_free_floor_bytes >> 20));
    app.add_option_function<std::size_t>(
           "--account-output-mib", [&settings](std::size_t given) { settings.account_output_bytes_max = given << 20; },
           "What waits in memory to be taken by the clients of one account; above it nothing more is read for them")
        ->envname("CONSORTIUM_ACCOUNT_OUTPUT_MIB")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20))
        ->type_name("MIB")
        ->default_str(std::to_string(settings.account_output_bytes_max >> 20));
    app.add_option("--listen", settings.listen, "Address to listen on; 0.0.0.0 or :: for all")
        ->envname("CONSORTIUM_LISTEN")
        ->capture_default_str()
        ->type_name("ADDR");
    app.add_option("--io-threads", settings.io_threads, "Network threads; by default the cores less one")
        ->envname("CONSORTIUM_IO_THREADS")
        ->check(CLI::Range(1, 64))
        ->capture_default_str()
        ->type_name("N");
    milliseconds(
        "--ping-interval-ms", "CONSORTIUM_PING_INTERVAL_MS", settings.ping_interval,
        "Between two heartbeats of a socket");
    milliseconds(
        "--ping-timeout-ms", "CONSORTIUM_PING_TIMEOUT_MS", settings.ping_timeout,
        "A socket that does not answer one for so long is closed");
    milliseconds(
        "--connect-timeout-ms", "CONSORTIUM_CONNECT_TIMEOUT_MS", settings.connect_timeout,
        "A connection must sign in within this time");
    milliseconds(
        "--session-timeout-ms", "CONSORTIUM_SESSION_TIMEOUT_MS", settings.session_timeout,
        "A session that is silent for so long counts as inactive");
    milliseconds(
        "--rpc-timeout-ms", "CONSORTIUM_RPC_TIMEOUT_MS", settings.rpc_timeout,
        "A call must be answered within this time");
    milliseconds(
        "--compact-delay-ms", "CONSORTIUM_COMPACT_DELAY_MS", settings.compact_delay,
        "So long after a deletion its keys are wiped out of the files");
    app.add_option(
           "--tls-cert", settings.tls_certificate, "PEM certificate chain; with --tls-key the relay speaks HTTPS")
        ->envname("CONSORTIUM_TLS_CERT")
        ->type_name("FILE");
    app.add_option("--tls-key", settings.tls_key, "PEM private key")->envname("CONSORTIUM_TLS_KEY")->type_name("FILE");
    app.add_option(
           "--public-url", settings.public_urls,
           "An address people reach this relay by: logins for it are accepted and links show it (repeatable; in the "
           "environment separated by commas)")
        ->envname("CONSORTIUM_PUBLIC_URL")
        ->delimiter(',')
        ->type_name("URL");
    const auto list =
        [&](const char* flag, const char* variable, std::vector<std::string>& to, const char* what, const char* type)
    { app.add_option(flag, to, what)->envname(variable)->delimiter(',')->type_name(type); };
    list(
        "--dashboard-origin", "CONSORTIUM_DASHBOARD_ORIGIN", settings.dashboard_origins,
        "The origin of a dashboard that others serve: its pages may sign in here (repeatable, as --public-url)",
        "ORIGIN");
    list(
        "--trusted-proxy", "CONSORTIUM_TRUSTED_PROXY", settings.trusted_proxies,
        "A proxy whose X-Forwarded-For and Forwarded are believed (repeatable, as --public-url)", "ADDR[/BITS]");
    app.add_option_function<std::string>(
           "--rate-limits", [&settings](const std::string& given) { settings.rate_limits = given == "on"; },
           "off: no rates and no bounds per address, for trusted networks and load generators; those of memory, "
           "descriptors and quotas stay")
        ->envname("CONSORTIUM_RATE_LIMITS")
        ->check(CLI::IsMember({"on", "off"}))
        ->default_str("on")
        ->type_name("on|off");
    const auto rate = [&](const char* flag, const char* variable, token_bucket::rate& to, const char* what)
    {
        app.add_option_function<std::string>(
               flag, [&to](const std::string& given) { to = *read_rate(given); }, what)
            ->envname(variable)
            ->check([](const std::string& given)
                    { return read_rate(given) ? "" : "not a rate like 20/400: so many a second, so many at once"; })
            ->type_name("N/BURST")
            ->default_str(fmt::format("{}/{}", to.per_second, to.burst));
    };
    rate(
        "--guest-rate", "CONSORTIUM_GUEST_RATE", settings.guest_rates.each,
        "Logins, pairings and statements a second from one address, and at once");
    rate("--guest-rate-total", "CONSORTIUM_GUEST_RATE_TOTAL", settings.guest_rates.all, "The same from all together");
    rate(
        "--pairing-poll-rate", "CONSORTIUM_PAIRING_POLL_RATE", settings.poller_rates.each,
        "Questions how a pairing goes from one address: each agent that is being paired asks once a second");
    rate(
        "--pairing-poll-rate-total", "CONSORTIUM_PAIRING_POLL_RATE_TOTAL", settings.poller_rates.all,
        "The same from all together");
    const auto count = [&](const char* flag, const char* variable, std::size_t& to, const char* what)
    {
        app.add_option(flag, to, what)
            ->envname(variable)
            ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40))
            ->capture_default_str()
            ->type_name("N");
    };
    const auto mebibytes = [&](const char* flag, const char* variable, std::size_t& to, const char* what)
    {
        app.add_option_function<std::size_t>(
               flag, [&to](std::size_t given) { to = given << 20; }, what)
            ->envname(variable)
            ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
            ->type_name("MIB")
            ->default_str(std::to_string(to >> 20));
    };
    const auto kibibytes =
        [&](const char* flag, const char* variable, std::size_t& to, std::size_t most, const char* what)
    {
        app.add_option_function<std::size_t>(
               flag, [&to](std::size_t given) { to = given << 10; }, what)
            ->envname(variable)
            ->check(CLI::Range(std::size_t{1}, most))
            ->type_name("KIB")
            ->default_str(std::to_string(to >> 10));
    };
    // What a client takes as an answer, a page with its last message among them.
    constexpr auto page_kib_max = (limits::answer_bytes_max - limits::message_bytes_max - 1) >> 10;
    constexpr std::size_t body_kib_max = 1u << 20;
    count(
        "--connections", "CONSORTIUM_CONNECTIONS", settings.connections_max,
        "Connections at once; no more than the descriptors that the system allows");
    count(
        "--connections-per-address", "CONSORTIUM_CONNECTIONS_PER_ADDRESS", settings.connections_per_address_max,
        "Of these, from one address");
    count(
        "--strangers", "CONSORTIUM_STRANGERS", settings.strangers_max,
        "Connections that have not signed in; the oldest makes room");
    count(
        "--strangers-per-address", "CONSORTIUM_STRANGERS_PER_ADDRESS", settings.strangers_per_address_max,
        "Of these, from one address");
    milliseconds(
        "--header-timeout-ms", "CONSORTIUM_HEADER_TIMEOUT_MS", settings.header_timeout,
        "The header of a request must be complete within this time");
    count(
        "--body-rate", "CONSORTIUM_BODY_RATE", settings.body_bytes_per_second_min,
        "Bytes per second that a body must bring, by the last --body-span-ms");
    milliseconds(
        "--body-span-ms", "CONSORTIUM_BODY_SPAN_MS", settings.body_span,
        "A body is judged by what it brought in so long");
    kibibytes(
        "--small-body-kib", "CONSORTIUM_SMALL_BODY_KIB", settings.bodies.small, body_kib_max,
        "The body of a login, and of all that needs little");
    kibibytes(
        "--statements-body-kib", "CONSORTIUM_STATEMENTS_BODY_KIB", settings.bodies.statements, body_kib_max,
        "The body of a request with statements about devices");
    kibibytes(
        "--fields-body-kib", "CONSORTIUM_FIELDS_BODY_KIB", settings.bodies.fields, body_kib_max,
        "The body of a request that makes a session or a machine");
    kibibytes(
        "--messages-body-kib", "CONSORTIUM_MESSAGES_BODY_KIB", settings.bodies.messages, body_kib_max,
        "The body of a request with messages");
    kibibytes(
        "--frame-kib", "CONSORTIUM_FRAME_KIB", settings.frame_bytes_max, body_kib_max,
        "A message of a WebSocket, or the body of a poll");
    kibibytes(
        "--stranger-frame-kib", "CONSORTIUM_STRANGER_FRAME_KIB", settings.stranger_frame_bytes_max, body_kib_max,
        "The same until it has signed in");
    count(
        "--json-values", "CONSORTIUM_JSON_VALUES", settings.json.values_max,
        "Values and names in the JSON of one request or event");
    count("--json-depth", "CONSORTIUM_JSON_DEPTH", settings.json.depth_max, "How deep they may be nested");
    kibibytes(
        "--page-kib", "CONSORTIUM_PAGE_KIB", settings.page_bytes_max, page_kib_max,
        "A page of messages or changes ends after the one with which it has so much");
    kibibytes(
        "--socket-output-kib", "CONSORTIUM_SOCKET_OUTPUT_KIB", settings.socket_queue_bytes_max, body_kib_max,
        "A socket that leaves so much untaken is read to from the log");
    mebibytes(
        "--guest-output-mib", "CONSORTIUM_GUEST_OUTPUT_MIB", settings.stranger_output_bytes_max,
        "Memory for the answers to all requests without a token");
    mebibytes(
        "--guest-mib", "CONSORTIUM_GUEST_MIB", settings.guest_bytes_max,
        "Memory for the bodies of all requests without a token");
    mebibytes(
        "--guest-mib-per-address", "CONSORTIUM_GUEST_MIB_PER_ADDRESS", settings.guest_bytes_per_address_max,
        "Of these, from one address");
    mebibytes(
        "--account-body-mib", "CONSORTIUM_ACCOUNT_BODY_MIB", settings.account_body_bytes_max,
        "Memory for what one account sends: bodies, large frames, calls under way");
    count(
        "--polling-sessions", "CONSORTIUM_POLLING_SESSIONS", settings.polling_sessions_max,
        "Sockets over HTTP polling at once");
    count(
        "--polling-sessions-per-address", "CONSORTIUM_POLLING_SESSIONS_PER_ADDRESS",
        settings.polling_sessions_per_address_max, "Of these, from one address");
    count(
        "--polling-strangers-per-address", "CONSORTIUM_POLLING_STRANGERS_PER_ADDRESS",
        settings.polling_strangers_per_address_max, "Of these, before they have signed in");
    count("--pairings", "CONSORTIUM_PAIRINGS", settings.pairings_max, "Pairings under way at once");
    count(
        "--pairings-per-address", "CONSORTIUM_PAIRINGS_PER_ADDRESS", settings.pairings_per_address_max,
        "Of these, from one address");
    const std::map<std::string, projections::registration::by> registrations{
        {"open", projections::registration::by::anybody},
        {"invite", projections::registration::by::invitation},
        {"closed", projections::registration::by::nobody}};
    app.add_option_function<std::string>(
           "--registration", [&](const std::string& given) { settings.registration = registrations.at(given); },
           "Who may make an account: open (anybody), invite (whoever was invited; the first one too, unless only this\n"
           "machine can reach the relay), closed (nobody)")
        ->envname("CONSORTIUM_REGISTRATION")
        ->check(CLI::IsMember(registrations))
        ->type_name("WHO")
        ->default_str("invite");
    app.add_option_function<std::int64_t>(
           "--invitation-hours", [&](std::int64_t given) { settings.invitation_lifetime = std::chrono::hours(given); },
           "An invitation is good for so long")
        ->envname("CONSORTIUM_INVITATION_HOURS")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{24 * 365}))
        ->type_name("H")
        ->default_str(
            std::to_string(std::chrono::duration_cast<std::chrono::hours>(settings.invitation_lifetime).count()));
    app.add_option_function<std::uint64_t>(
           "--account-mib", [&settings](std::uint64_t given) { settings.quotas.bytes = given << 20; },
           "So much an account may write, deletions not counted back: the log forgets no record")
        ->envname("CONSORTIUM_ACCOUNT_MIB")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
        ->type_name("MIB")
        ->default_str(std::to_string(settings.quotas.bytes >> 20));
    const auto at_once = [&](const char* flag, const char* variable, std::uint64_t& to, const char* what)
    {
        app.add_option(flag, to, what)
            ->envname(variable)
            ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
            ->capture_default_str()
            ->type_name("N");
    };
    at_once(
        "--account-sessions", "CONSORTIUM_ACCOUNT_SESSIONS", settings.quotas.sessions,
        "So many sessions an account may have at once");
    at_once(
        "--account-machines", "CONSORTIUM_ACCOUNT_MACHINES", settings.quotas.machines,
        "So many machines an account may have at once");
    at_once(
        "--account-devices", "CONSORTIUM_ACCOUNT_DEVICES", settings.quotas.devices,
        "So many devices that are not revoked an account may have");
    app.add_option_function<std::string>(
           "--metrics-listen",
           [&settings](const std::string& given) { settings.metrics_listen = *listen_address::parse(given); },
           "Answers GET /metrics there, for Prometheus; whoever reaches it may read them")
        ->envname("CONSORTIUM_METRICS_LISTEN")
        ->check(
            [](const std::string& given)
            {
                const auto read = listen_address::parse(given);
                return read ? std::string() : read.error().detail;
            })
        ->type_name("ADDR:PORT");
    milliseconds(
        "--mirror-connect-timeout-ms", "CONSORTIUM_MIRROR_CONNECT_TIMEOUT_MS", settings.mirror_connect_timeout,
        "The Postgres of DATABASE_URL must take a connection within this time");
    milliseconds(
        "--mirror-timeout-ms", "CONSORTIUM_MIRROR_TIMEOUT_MS", settings.mirror_timeout,
        "It must complete a transaction within this time");
    milliseconds(
        "--mirror-retry-ms", "CONSORTIUM_MIRROR_RETRY_MS", settings.mirror_retry,
        "Longest pause between two attempts to follow the log there");
    app.add_option("--log-level", settings.log_level, "trace, debug, info, warn, error or off")
        ->envname("CONSORTIUM_LOG_LEVEL")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
        ->capture_default_str()
        ->type_name("LEVEL");

    try
    {
        app.parse(argc, argv);
    }
    catch (const CLI::Success& done)
    {
        std::ostringstream text;
        app.exit(done, text, text);
        out.exit_code = 0;
        out.message = text.str();
        return out;
    }
    catch (const CLI::ParseError& wrong)
    {
        out.exit_code = 2;
        out.message = std::string(wrong.what()) + " (see --help)\n";
        return out;
    }
    if (settings.tls_certificate.empty() != settings.tls_key.empty())
    {
        out.exit_code = 2;
        out.message = "--tls-cert and --tls-key belong together\n";
        return out;
    }
    const auto secret_variable = [](const char* name, std::optional<std::string>& to)
    {
        if (const char* given = std::getenv(name); given != nullptr && *given != '\0')
            to = given;
    };
    secret_variable("CONSORTIUM_MASTER_SECRET", settings.master_secret);
    secret_variable("DATABASE_URL", settings.database_url);
    return out;
}

projections::registration registration_of(const config& settings)
{
    boost::system::error_code none;
    const auto address = boost::asio::ip::make_address(settings.listen, none);
    const bool this_machine_alone =
        !none && address.is_loopback() && settings.public_urls.empty() && settings.trusted_proxies.empty();
    return {.allowed = settings.registration, .first_is_free = this_machine_alone};
}

result<found_secret> find_secret(const config& settings)
{
    if (settings.master_secret)
    {
        if (settings.master_secret->size() < log::master_secret_bytes_min)
            return fail(
                errc::wrong_secret, "CONSORTIUM_MASTER_SECRET must have at least " +
                                        std::to_string(log::master_secret_bytes_min) + " characters");
        return found_secret{*settings.master_secret, {}};
    }
    auto directory = std::filesystem::absolute(settings.data).lexically_normal();
    if (!directory.has_filename())
        directory = directory.parent_path();
    auto path = directory;
    path += ".secret";

    std::error_code ec;
    if (std::filesystem::exists(path, ec))
    {
        auto text = read_file(path);
        if (!text)
            return std::unexpected(text.error());
        return found_secret{std::move(*text), {}};
    }
    if (std::filesystem::exists(directory / "root.key", ec))
        return fail(
            errc::wrong_secret, "the log in " + directory.string() + " was made with another secret and " +
                                    path.string() + " is missing: set CONSORTIUM_MASTER_SECRET");
    auto text = log::make_master_secret();
    std::filesystem::create_directories(path.parent_path(), ec);
    if (ec)
        return fail(errc::io, "cannot make " + path.parent_path().string() + ": " + ec.message());
    if (auto written = write_secret(path, text + "\n"); !written)
        return std::unexpected(written.error());
    return found_secret{std::move(text), path};
}

} // namespace consortium::relay
