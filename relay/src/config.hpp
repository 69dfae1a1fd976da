#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/postgres/limits.hpp"
#include "consortium/projections/views.hpp"
#include "consortium/protocol/json_text.hpp"
#include "limits.hpp"
#include "listen_address.hpp"
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace consortium::relay
{

/// What the body of a request may have, by what its route needs: known before it is read, so that nobody is held in
/// memory for what no handler would take.
struct body_bounds
{
    std::size_t small = limits::small_body_bytes_max;
    std::size_t statements = limits::statements_body_bytes_max;
    std::size_t fields = limits::fields_body_bytes_max;
    std::size_t messages = limits::http_body_bytes_max;
};

/// What the command line and the environment say.
struct config
{
    std::uint16_t port = 3005;
    std::filesystem::path data = "consortium-data";
    /// Empty: in `data`.
    std::filesystem::path witness;
    std::size_t disk_free_floor_bytes = limits::disk_free_floor_bytes;
    std::size_t account_output_bytes_max = limits::account_output_bytes_max;
    std::string listen = "127.0.0.1";
    std::size_t io_threads = 1;
    std::chrono::milliseconds ping_interval = limits::ping_interval;
    std::chrono::milliseconds ping_timeout = limits::ping_timeout;
    std::chrono::milliseconds connect_timeout = limits::connect_timeout;
    std::chrono::milliseconds session_timeout = limits::session_timeout;
    std::chrono::milliseconds rpc_timeout = limits::rpc_timeout;
    std::chrono::milliseconds compact_delay = limits::compact_delay;
    std::string tls_certificate;
    std::string tls_key;
    std::vector<std::string> public_urls;
    std::vector<std::string> dashboard_origins;
    std::vector<std::string> trusted_proxies;
    /// Off: no rates and no bounds per address.
    bool rate_limits = true;
    rate_limiter::settings guest_rates = relay::guest_rates;
    rate_limiter::settings poller_rates = relay::poller_rates;
    std::size_t connections_max = limits::connections_max;
    std::size_t connections_per_address_max = limits::connections_per_address_max;
    std::size_t strangers_max = limits::strangers_max;
    std::size_t strangers_per_address_max = limits::strangers_per_address_max;
    std::chrono::milliseconds header_timeout = limits::header_timeout;
    std::size_t body_bytes_per_second_min = limits::body_bytes_per_second_min;
    std::chrono::milliseconds body_span = limits::body_span;
    body_bounds bodies;
    std::size_t frame_bytes_max = limits::frame_bytes_max;
    std::size_t stranger_frame_bytes_max = limits::stranger_frame_bytes_max;
    protocol::json_bounds json;
    std::size_t page_bytes_max = limits::page_bytes_max;
    std::size_t socket_queue_bytes_max = limits::socket_queue_bytes_max;
    std::size_t stranger_output_bytes_max = limits::stranger_output_bytes_max;
    std::size_t guest_bytes_max = limits::guest_bytes_max;
    std::size_t guest_bytes_per_address_max = limits::guest_bytes_per_address_max;
    std::size_t account_body_bytes_max = limits::account_body_bytes_max;
    std::size_t polling_sessions_max = limits::polling_sessions_max;
    std::size_t polling_sessions_per_address_max = limits::polling_sessions_per_address_max;
    std::size_t polling_strangers_per_address_max = limits::polling_strangers_per_address_max;
    std::size_t pairings_max = limits::pairings_pending_max;
    std::size_t pairings_per_address_max = limits::pairings_per_address_max;
    projections::registration::by registration = projections::registration::by::invitation;
    std::chrono::milliseconds invitation_lifetime = limits::invitation_lifetime;
    projections::quotas quotas;
    /// Where the metrics are read; empty: nowhere.
    std::optional<listen_address> metrics_listen;
    std::chrono::milliseconds mirror_connect_timeout = limits::mirror_connect_timeout;
    std::chrono::milliseconds mirror_timeout = limits::mirror_timeout;
    std::chrono::milliseconds mirror_retry = limits::mirror_retry;
    std::string log_level = "info";
    /// CONSORTIUM_MASTER_SECRET and DATABASE_URL: never arguments, which everybody on the machine could read.
    std::optional<std::string> master_secret;
    std::optional<std::string> database_url;

    bool tls() const { return !tls_certificate.empty(); }
};

/// How main() goes on.
struct parsed_config
{
    config settings;
    /// Set: print it and exit with `exit_code` (--help, --version, or what is wrong).
    std::optional<int> exit_code;
    std::string message;
};
parsed_config parse_config(int argc, const char* const* argv);

/// Who may make an account: the first is free where nobody but this machine can reach the relay.
projections::registration registration_of(const config& settings);

/// The master secret from the environment, or from `DIR.secret`, which is made (0600) when there is no log yet.
struct found_secret
{
    std::string value;
    /// Where it was written just now; empty if it was there.
    std::filesystem::path generated;
};
result<found_secret> find_secret(const config& settings);

} // namespace consortium::relay
