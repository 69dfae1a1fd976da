#include "program.hpp"
#include "consortium/common/invitation.hpp"
#include "consortium/log/when_healed.hpp"
#include "control_commands.hpp"
#include "descriptors.hpp"
#include "mirror_commands.hpp"
#include "mirror_gauges.hpp"
#include "mirror_settings.hpp"
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <limits>
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

constexpr auto no_bound = std::numeric_limits<std::size_t>::max();
constexpr auto drain_limit = 700ms;
constexpr std::size_t reader_threads = 2;

/// What is in memory may be ahead of the disk: nothing of it may be said to anybody any more.
void end_at_once(const error& why)
{
    spdlog::critical("the log cannot be written: {}", why.detail);
    spdlog::default_logger()->flush();
    std::_Exit(1);
}

void start_waits(const error& why)
{
    spdlog::warn("the start waits: {}", why.detail);
}

error wrong_secret(const config& settings, const error& why)
{
    const auto source = settings.master_secret
                            ? std::string(" (it came from CONSORTIUM_MASTER_SECRET)")
                            : " (it came from " + settings.data.string() + ".secret; set CONSORTIUM_MASTER_SECRET)";
    return {errc::wrong_secret, why.detail + source, {}};
}

} // namespace

program::program(
    const config& settings, std::unique_ptr<net::http_server> server, accepted_origins origins, trusted_proxies proxies)
    : settings_(settings),
      refusals_([this](refused of, errc why) { counts_.count_refusal(of, why); }),
      server_(std::move(server)),
      origins_(std::move(origins)),
      commits_(*server_, {.queue_bytes_max = settings.socket_queue_bytes_max, .mark_every = limits::caught_up_every}),
      domain_(projections::make_rules(settings.quotas)),
      output_(
          {.account = settings.account_output_bytes_max,
           .strangers = settings.stranger_output_bytes_max,
           .socket = settings.socket_queue_bytes_max}),
      challenges_(clock_),
      pairings_(
          spans_, {.pending_max = settings.pairings_max,
                   .pending_per_address_max = settings.pairings_per_address_max,
                   .crowded = [this](place_table::crowd, const std::string& address)
                   { refusals_.note(refused::pairings, errc::overloaded, "too many", address); }}),
      guests_(clock_, settings.guest_rates),
      pollers_(clock_, settings.poller_rates),
      guest_bytes_({.all = settings.guest_bytes_max, .each = settings.guest_bytes_per_address_max}),
      account_bytes_({.all = no_bound, .each = settings.account_body_bytes_max}),
      proxies_(std::move(proxies)),
      presence_(
          commits_, clock_,
          {.session_timeout = settings.session_timeout,
           .machine_timeout = limits::machine_timeout,
           .activity_interval = limits::activity_interval}),
      rpc_(
          commits_, *server_, clock_,
          {.timeout = settings.rpc_timeout,
           .grace = std::min<std::chrono::milliseconds>(limits::rpc_target_grace, settings.rpc_timeout / 6)}),
      assets_(embedded_files(), origins_.public_authorities()),
      readers_(reader_threads)
{
}

program::~program()
{
    stop();
}

result<std::unique_ptr<program>> program::make(const config& settings)
{
    protocol::bound_json(settings.json);
    auto mirrored = mirror_of(settings);
    if (!mirrored)
        return std::unexpected(mirrored.error());
    const auto connections = connections_that_fit(
        raise_descriptor_limit(), settings.io_threads, settings.connections_max,
        settings.metrics_listen ? metrics_descriptors : 0);
    if (!connections)
        return std::unexpected(connections.error());
    net::http_server_options options;
    options.address = settings.listen;
    options.port = settings.port;
    options.threads = settings.io_threads;
    options.certificate_file = settings.tls_certificate;
    options.key_file = settings.tls_key;
    options.on_bug = [](std::string_view what) { spdlog::error("a task of a network thread failed: {}", what); };
    options.connections_max = *connections;
    options.connections_per_address_max = settings.connections_per_address_max;
    options.strangers_max = settings.strangers_max;
    options.strangers_per_address_max = settings.strangers_per_address_max;
    options.frame_bytes_max = settings.frame_bytes_max;
    options.stranger_frame_bytes_max = settings.stranger_frame_bytes_max;
    options.header_timeout = settings.header_timeout;
    options.body_span = settings.body_span;
    options.body_bytes_per_second_min = settings.body_bytes_per_second_min;
    auto server = net::http_server::listen(std::move(options));
    if (!server)
        return std::unexpected(server.error());
    auto origins = accepted_origins::make(
        {.public_urls = settings.public_urls,
         .dashboard_origins = settings.dashboard_origins,
         .own_hosts = own_hosts(),
         .port = (*server)->port()});
    if (!origins)
        return std::unexpected(origins.error());
    auto proxies = trusted_proxies::make(settings.trusted_proxies);
    if (!proxies)
        return std::unexpected(proxies.error());
    const auto secret = find_secret(settings);
    if (!secret)
        return std::unexpected(secret.error());

    std::unique_ptr<program> out(new program(settings, std::move(*server), std::move(*origins), std::move(*proxies)));
    out->generated_secret_ = secret->generated;
    if (settings.metrics_listen)
    {
        auto listener =
            metrics_listener::listen(*settings.metrics_listen, [relay = out.get()] { return relay->metrics_text(); });
        if (!listener)
            return std::unexpected(listener.error());
        out->metrics_ = std::move(*listener);
    }
    out->mirrored_ = std::move(*mirrored);
    if (auto opened = out->open(secret->value); !opened)
        return std::unexpected(opened.error());
    out->wire();
    return out;
}

result<void> program::open(const std::string& secret)
{
    log::log_options options;
    options.directory = settings_.data;
    options.witness = settings_.witness;
    options.disk_free_floor_bytes = settings_.disk_free_floor_bytes;
    options.compact_delay = settings_.compact_delay;
    options.master_secret = secret;
    auto opened = log::open_log(options, *domain_, commits_, clock_);
    if (!opened)
        return std::unexpected(
            opened.error() == errc::wrong_secret ? wrong_secret(settings_, opened.error()) : opened.error());
    log_ = std::move(*opened);
    const auto streams = log::when_healed(*log_, projections::count_streams, start_waits);
    if (!streams)
        return std::unexpected(streams.error());
    streams_ = *streams;
    const auto allowed = registration_of(settings_);
    const auto invited = log::when_healed(
        *log_, [this](const log::snapshot& at) { return projections::has_own_invitation(at, clock_.now()); },
        start_waits);
    if (!invited)
        return std::unexpected(invited.error());
    needs_first_invitation_ = allowed.allowed == projections::registration::by::invitation && !allowed.first_is_free &&
                              streams_.accounts == 0 && !*invited;
    return log::when_healed(*log_, [this](const log::snapshot& at) { return presence_.load(at); }, start_waits);
}

void program::on_committed(const log::event& happened)
{
    forget_voided(*shared_, happened);
    presence_.committed(happened);
}

/// What its requests' bodies, its sockets' frames and the packets that wait for their bytes take is one account's.
net::known_peer program::peer_of(account_id account)
{
    return {
        .output = output_.of(account),
        .input_room = [this, account](std::size_t bytes) -> std::shared_ptr<void>
        {
            auto room = account_bytes_.take(to_string(account), bytes);
            if (room)
                return std::make_shared<byte_budget::held>(std::move(*room));
            refusals_.note(refused::socket_bytes, room.error().code, room.error().detail, {});
            return nullptr;
        }};
}

void program::wire()
{
    updates_ = std::make_unique<update_writer>(*log_, output_);
    tokens_ = std::make_unique<authenticator>(
        log_->keys().token_seed,
        [this](const token_claims& claims) { return find_holder(*log_->read(), claims.account, claims.device); });
    proofs_ = std::make_unique<prover>(*log_, readers_);
    ready_ = std::make_unique<readiness>(*log_, settings_.data, settings_.disk_free_floor_bytes);
    shared_ = std::make_unique<services>(services{
        .settings = settings_,
        .clock = clock_,
        .log = *log_,
        .commits = commits_,
        .updates = *updates_,
        .tokens = *tokens_,
        .challenges = challenges_,
        .pairings = pairings_,
        .origins = origins_,
        .registration = registration_of(settings_),
        .guests = guests_,
        .pollers = pollers_,
        .guest_bytes = guest_bytes_,
        .account_bytes = account_bytes_,
        .output = output_,
        .proxies = proxies_,
        .presence = presence_,
        .rpc = rpc_,
        .assets = assets_,
        .readers = readers_,
        .proofs = *proofs_,
        .ready = *ready_,
        .refusals = refusals_,
    });
    rules_ = std::make_unique<socket_rules>(*shared_);
    router_ = std::make_unique<request_router>(*shared_);
    socket_server_options options;
    options.ping_interval = settings_.ping_interval;
    options.ping_timeout = settings_.ping_timeout;
    options.connect_timeout = settings_.connect_timeout;
    options.peer_of = [this](account_id account) { return peer_of(account); };
    options.untaken_bytes_max = [this](account_id account) { return output_.socket_bytes_max(account); };
    options.payload_bytes_max = settings_.frame_bytes_max;
    options.stranger_payload_bytes_max = settings_.stranger_frame_bytes_max;
    options.polling_sessions = {
        .all = settings_.polling_sessions_max,
        .each = settings_.polling_sessions_per_address_max,
        .strangers = settings_.polling_strangers_per_address_max};
    options.counted_as = [this](const std::string& address) { return router_->counted_as(address); };
    options.crowded = [this](place_table::crowd, const std::string& address)
    { refusals_.note(refused::polling_sessions, errc::overloaded, "too many", address); };
    sockets_ = socket_server::make(*server_, *rules_, options);
    router_->attach(*sockets_);
    commits_.attach(
        *log_, *updates_,
        {.committed = [this](const log::event& happened) { on_committed(happened); },
         .pressure = [this](bool high)
         { sockets_->for_each_here([high](socket_listener& client) { socket_rules::hold(client, high); }); },
         .failure = end_at_once,
         .elsewhere = [this](std::move_only_function<void()> task) { asio::post(readers_, std::move(task)); },
         .counts = &counts_});
}

/// The relay serves without it: only the commands of consortium-admin must wait until it has ended.
void program::listen_for_control()
{
    auto commands = make_control_commands(
        *log_,
        [this]() -> result<boost::json::object>
        {
            const auto made = invite();
            if (!made)
                return std::unexpected(made.error());
            return boost::json::object{
                {"code", made->code},
                {"expiresAt", made->expires},
                {"link", invitation_link(public_url(), made->code)}};
        });
    commands.merge(make_mirror_commands(mirror_.get()));
    auto control = control_server::listen({.socket = settings_.data / "control.sock"}, std::move(commands));
    if (control)
        control_ = std::move(*control);
    else
        spdlog::warn(
            "no control socket: {}. consortium-admin can do its work only while the relay does not run",
            control.error().detail);
}

std::string program::metrics_text() const
{
    auto now = read_gauges(*shared_, *server_);
    if (mirror_)
        now.mirror = read_mirror_gauges(*mirror_);
    return counts_.text(now);
}

std::string program::own_address() const
{
    std::string host = settings_.listen;
    if (host == "0.0.0.0" || host == "::")
        host = "127.0.0.1";
    if (host.find(':') != std::string::npos)
        host = "[" + host + "]";
    return (settings_.tls() ? "https://" : "http://") + host + ":" + std::to_string(port());
}

std::string program::public_url() const
{
    const auto named = origins_.first_public_url();
    return named.empty() ? own_address() : std::string(named);
}

void program::report() const
{
    const auto opened = log_->opened();
    spdlog::info(
        "ready: log {}, {} records, {} revisions of {} accounts, {} records kept and {} bytes dropped after the last "
        "end, opened in {} ms",
        to_string(log_->id()), opened.head.value, streams_.revisions, streams_.accounts, opened.kept_records,
        opened.repaired_bytes, opened.opening.count());
    if (metrics_)
        spdlog::info("metrics on port {} of {}: /metrics", metrics_->port(), settings_.metrics_listen->host);
}

void program::start()
{
    running_ = true;
    if (mirrored_)
        mirror_ = postgres::start_mirror(*mirrored_, *log_, clock_);
    listen_for_control();
    server_->start(*router_);
    refusals_.start(server_->executor(0));
    presence_.start(*server_);
    if (metrics_)
        metrics_->start();
}

void program::reload()
{
    if (!settings_.tls())
        spdlog::info("asked to reload: there are no TLS files");
    else if (const auto reloaded = server_->reload_tls(); reloaded)
        spdlog::info("reloaded the TLS files: new connections use them");
    else
        spdlog::error("the TLS files are not reloaded, those read before stay: {}", reloaded.error().detail);
}

void program::stop()
{
    if (!std::exchange(running_, false))
        return;
    // It looks at all that ends now.
    if (metrics_)
        metrics_->stop();
    presence_.stop();
    sockets_->close_all("the relay is stopping");
    server_->drain(drain_limit);
    // Ends what a command waits for.
    if (mirror_)
        mirror_->stop();
    control_.reset();
    mirror_.reset();
    readers_.join();
    log_->close();
    server_->stop();
    refusals_.stop();
}

} // namespace consortium::relay
