#pragma once
#include "consortium/common/device_kind.hpp"
#include "consortium/protocol/v1/json.hpp"
#include <vector>

/// What clients ask: bodies of HTTP requests and arguments of Socket.IO events. Every reader refuses wrong types
/// (errc::bad_request) and sizes (errc::too_large) and ignores fields it does not know.
namespace consortium::protocol::v1
{

using consortium::device_kind;
std::string_view name(device_kind kind) noexcept;

struct device_claim
{
    byte_array<32> public_key{};
    device_kind kind{};
    std::string sealed_name;
    friend bool operator==(const device_claim&, const device_claim&) = default;
};

// Login and pairing.
struct challenge_request
{
    byte_array<32> public_key{};
    std::optional<std::string> origin;
};
struct login_request
{
    byte_array<32> public_key{};
    bytes challenge;
    byte_array<64> signature{};
    std::optional<device_claim> device;
    byte_array<64> device_signature{};  ///< with `device` only
    std::optional<std::string> account; ///< the one that the key must open
};
struct pairing_request
{
    byte_array<32> public_key{};
    device_claim device;
    std::string mac;
};
/// Only who holds the account's key deletes the account.
struct account_deletion
{
    bytes challenge;
    byte_array<64> signature{};
};
struct pairing_answer
{
    byte_array<32> public_key{};
    std::string response;
    std::string sealed_name;
};
result<challenge_request> read_challenge_request(const boost::json::object& from);
result<login_request> read_login_request(const boost::json::object& from);
result<account_deletion> read_account_deletion(const boost::json::object& from);
result<pairing_request> read_pairing_request(const boost::json::object& from);
result<pairing_answer> read_pairing_answer(const boost::json::object& from);

// Sessions, messages, machines.
struct session_request
{
    std::string tag;
    std::string metadata;
    std::optional<std::string> data_key;
};
struct message_item
{
    std::string content;
    std::string local_id;
};
struct machine_request
{
    std::string id;
    std::string metadata;
    std::optional<std::string> daemon_state;
    std::optional<std::string> data_key;
};
result<session_request> read_session_request(const boost::json::object& from);
result<std::vector<message_item>> read_messages_request(const boost::json::object& from);
result<machine_request> read_machine_request(const boost::json::object& from);

// Socket.IO.
enum class client_type
{
    user,
    session,
    machine,
};
/// Where a client that reconnects goes on. Ids stay text: what is no id of ours is nobody's.
struct since_request
{
    std::string log;
    std::uint64_t revision = 0;
};
struct handshake_request
{
    std::string token;
    client_type type = client_type::user;
    std::string session_id;
    std::string machine_id;
    /// False: an existing client that knows neither `caught-up` nor `resync`.
    bool follows = false;
    /// Empty with `follows`: from now on.
    std::optional<since_request> since;
};
/// Its errors are the texts of the contract.
result<handshake_request> read_handshake(const boost::json::object& from);

struct message_event
{
    std::string sid;
    std::string content;
    std::optional<std::string> local_id;
    bool prove = false; ///< the acknowledgement shall carry a proof
};
/// update-metadata, update-state, machine-update-metadata, machine-update-state
struct field_update_event
{
    std::string id;                   ///< session or machine
    std::optional<std::string> value; ///< null for agentState alone
    std::uint64_t expected = 0;       ///< -1 reads as 0
};
struct alive_event
{
    std::string id;
    std::int64_t time = 0;
    bool thinking = false;
};
struct rpc_call_event
{
    std::string method;
    std::string params;
};
struct stream_event
{
    std::string sid;
    std::string content;
};
result<message_event> read_message_event(const boost::json::object& from);
result<field_update_event> read_field_update(
    const boost::json::object& from, std::string_view id_name, std::string_view value_name, bool nullable);
result<alive_event> read_alive_event(const boost::json::object& from, std::string_view id_name);
result<std::string> read_rpc_method(const boost::json::object& from);
result<rpc_call_event> read_rpc_call(const boost::json::object& from);
result<stream_event> read_stream_event(const boost::json::object& from);

} // namespace consortium::protocol::v1
