#pragma once
#include "byte_budget.hpp"
#include "hub/hub.hpp"
#include "rpc.hpp"
#include "transport/socket.hpp"
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace consortium::relay
{

/// Calls between the sockets of an account. Thread-safe; sockets are only touched on their own threads.
class rpc_service
{
public:
    struct settings
    {
        std::chrono::milliseconds timeout;
        std::chrono::milliseconds grace; ///< for a target that was lost a moment ago
    };
    rpc_service(hub& commits, net::http_server& server, const clock_source& clock, settings times);

    /// errc::rate_limited. On the socket's thread.
    result<void> add(account_id account, const std::string& method, member& who, socket& server);
    void remove(account_id account, const std::string& method, connection_id id);
    /// The socket has gone; its callers hear it through emit_with_ack.
    void drop(connection_id id);

    struct call
    {
        account_id account;
        connection_id caller = 0;
        std::string method;
        boost::json::value params; ///< a text, or what holds the places of `bytes`
        attachments bytes;
        byte_budget::held room = {}; ///< for `params`, while it is under way
        ack reply;
        /// Calls of the caller that are under way; counted down with the answer.
        std::shared_ptr<std::atomic<std::size_t>> in_flight;
    };
    /// Answers `wanted.reply` exactly once. On the caller's thread.
    void begin(call wanted);

    /// `{ok:false, error, code, retry}`
    static boost::json::object refusal(std::string_view text, const error& why);
    /// That nobody serves the method; the same for who may not know whether somebody does.
    static boost::json::object not_available();

private:
    using clock = std::chrono::steady_clock;
    struct endpoint
    {
        std::size_t thread = 0;
        std::weak_ptr<socket> to;
        std::weak_ptr<member> who;
    };
    struct pending
    {
        call wanted;
        clock::time_point ends_at;
        std::size_t thread = 0; ///< the caller's
        /// Its answer, its target's end and its time race; the first one counts.
        std::atomic<bool> finished = false;
    };
    using shared_pending = std::shared_ptr<pending>;

    void dispatch(const shared_pending& given);
    void forward(const shared_pending& given, const endpoint& target);
    void wait_for_target(const shared_pending& given);
    void give_up_hope(const shared_pending& given);
    void limit(const shared_pending& given);
    static void emit(const shared_pending& given, socket& server);
    static void finish(pending& given, arguments answer);

    hub& commits_;
    net::http_server& server_;
    const clock_source& wall_;
    const settings times_;
    const clock::time_point started_ = clock::now();
    std::mutex guard_;
    rpc_registry registry_;
    std::unordered_map<connection_id, endpoint> endpoints_;
    /// Calls that wait for their method to be registered again.
    std::unordered_multimap<std::string, std::weak_ptr<pending>> hoping_;
};

} // namespace consortium::relay
