#pragma once
#include "base/wakeup.hpp"
#include "link/socket_client.hpp"
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{

/// What comes over the session's connection. On its executor.
class link_events
{
public:
    virtual ~link_events() = default;
    /// The connection stands. Nothing was missed when `from_known_place`; otherwise the stored messages must be read.
    virtual void on_caught_up(bool from_known_place) = 0;
    virtual void on_online() = 0;
    virtual void on_offline(const error& reason) = 0;
    virtual void on_update(const unchecked& body) = 0;
    virtual void
    on_rpc(const std::string& method, const std::string& params, std::function<void(std::string)> reply) = 0;
    /// The relay itself will not have us: dialling again is useless.
    virtual void on_link_refused(const relay_failure& reason) = 0;
};

struct link_options
{
    using dialler = std::function<asio::awaitable<relay_answer<std::shared_ptr<socket_client>>>(
        socket_client_options options, socket_client::handlers on)>;

    std::string server_url;
    std::string token;
    std::string session_id;
    net::client_options net;
    std::vector<std::string> methods; ///< RPC methods to serve, without the session's prefix
    dialler dial = &socket_client::connect;
    /// A new token in the place of one that is refused, or what the refusal is worth.
    std::function<asio::awaitable<relay_answer<std::string>>(relay_failure denied)> regain_access;
};

/// The session-scoped connection to the relay: dials, dials again, and goes on in the account's stream where it was.
class session_link : public std::enable_shared_from_this<session_link>
{
public:
    static std::shared_ptr<session_link>
    make(asio::any_io_executor executor, link_options options, link_events& events);

    static asio::awaitable<void> run(std::shared_ptr<session_link> self);
    /// Says goodbye. No events come any more.
    void stop();

    /// Id of the relay's log; empty before the first `caught-up`.
    std::string log() const { return since_ ? since_->log : std::string(); }
    bool online() const noexcept { return socket_ && socket_->is_open(); }
    /// Lost when offline.
    void emit(std::string_view name, boost::json::object value);
    /// The acknowledgement, `result` of which is `success` or `version-mismatch`. An error acknowledgement is a
    /// failure, as is being offline.
    asio::awaitable<relay_answer<unchecked>> ask(std::string name, boost::json::object value);

private:
    session_link(asio::any_io_executor executor, link_options options, link_events& events);
    boost::json::object handshake() const;
    void on_event(std::string_view name, boost::json::array& args, socket_client::answer reply);
    void dial_anew();

    struct position
    {
        std::string log;
        std::int64_t revision = 0;
    };

    asio::any_io_executor executor_;
    link_options options_;
    link_events* events_;
    std::shared_ptr<socket_client> socket_;
    std::optional<position> since_;
    bool joined_from_known_place_ = false;
    wakeup closed_;
    error close_reason_;
    bool gone_ = false;
    bool stopped_ = false;
    backoff pause_;
};

} // namespace consortium::agent
