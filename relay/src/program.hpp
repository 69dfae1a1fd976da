#pragma once
#include "assets.hpp"
#include "auth/invitations.hpp"
#include "consortium/postgres/mirror.hpp"
#include "consortium/projections/views.hpp"
#include "control_server.hpp"
#include "metrics/metrics_listener.hpp"
#include "readiness.hpp"
#include "server.hpp"
#include "socket_rules.hpp"
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>

namespace consortium::relay
{

/// The relay as a whole: everything that runs, in the order it is made.
class program
{
public:
    /// Binds the port, finds the secret, opens the log. Nothing is accepted yet. Errors are for people: one line each.
    static result<std::unique_ptr<program>> make(const config& settings);
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program();

    void start();
    /// Says in one line what the log held when it was opened.
    void report() const;
    /// Reads the TLS files again; says so.
    void reload();
    /// Lets clients go so that they dial again, completes what was submitted, and ends the threads.
    void stop();

    std::uint16_t port() const noexcept { return server_->port(); }
    log::event_log& log() noexcept { return *log_; }
    /// Where a secret was written just now; else empty.
    const std::filesystem::path& generated_secret() const noexcept { return generated_secret_; }
    /// Where it listens, as a URL of this machine.
    std::string own_address() const;
    /// What people should open: the first public URL, else own_address().
    std::string public_url() const;

    /// Whether nobody can make the first account without an invitation, and none was made yet.
    bool needs_first_invitation() const { return needs_first_invitation_; }
    /// Makes one, once the relay runs. Not from a network thread.
    result<issued_invitation> invite() { return invite_as_relay(*shared_, *server_); }

private:
    program(
        const config& settings, std::unique_ptr<net::http_server> server, accepted_origins origins,
        trusted_proxies proxies);
    result<void> open(const std::string& secret);
    void wire();
    void listen_for_control();
    void on_committed(const log::event& happened);
    net::known_peer peer_of(account_id account);
    /// On the metrics' own thread, while the relay runs.
    std::string metrics_text() const;

    const config settings_;
    const system_clock_source clock_;
    metrics counts_;
    refusal_log refusals_;
    const std::unique_ptr<net::http_server> server_;
    const accepted_origins origins_;
    std::filesystem::path generated_secret_;
    hub commits_;
    const std::unique_ptr<const log::domain> domain_;
    std::unique_ptr<log::event_log> log_;
    projections::stream_totals streams_; ///< when the log was opened
    bool needs_first_invitation_ = false;

    // Made once the log is open; taken down before it.
    output_budget output_;
    std::unique_ptr<update_writer> updates_;
    std::unique_ptr<authenticator> tokens_;
    challenge_book challenges_;
    const system_boot_clock spans_;
    pairing_book pairings_;
    rate_limiter guests_;
    rate_limiter pollers_;
    byte_budget guest_bytes_;
    byte_budget account_bytes_;
    const trusted_proxies proxies_;
    presence_service presence_;
    rpc_service rpc_;
    const asset_store assets_;
    boost::asio::thread_pool readers_;
    std::unique_ptr<prover> proofs_;
    std::unique_ptr<readiness> ready_;
    std::unique_ptr<services> shared_;
    std::unique_ptr<socket_rules> rules_;
    std::unique_ptr<request_router> router_;
    std::unique_ptr<socket_server> sockets_;
    std::optional<postgres::mirror_options> mirrored_; ///< empty: nobody wants a mirror
    std::unique_ptr<postgres::mirror> mirror_;
    std::unique_ptr<control_server> control_;
    std::unique_ptr<metrics_listener> metrics_; ///< none: nobody reads them
    bool running_ = false;
};

} // namespace consortium::relay
