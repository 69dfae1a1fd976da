#pragma once
#include "consortium/common/device_kind.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/pairing_request.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "consortium/protocol/v1/json.hpp"
#include <variant>
#include <vector>

/// What clients ask: bodies of HTTP requests and arguments of Socket.IO events. Every reader refuses wrong types
/// (errc::bad_request) and sizes (errc::too_large) and ignores fields it does not know.
namespace consortium::protocol::v1
{

using consortium::device_kind;
std::string_view name(device_kind kind) noexcept;

struct device_claim
{
    ed25519_public public_key{};
    device_kind kind{};
    friend bool operator==(const device_claim&, const device_claim&) = default;
};

// Login.
struct challenge_request
{
    byte_array<32> public_key{};
    std::optional<std::string> origin;
};
/// With the account's key, and a device or none.
struct login_request
{
    ed25519_public public_key{};
    bytes challenge;
    ed25519_signature signature{};
    std::optional<device_claim> device;
    ed25519_signature device_signature{}; ///< with `device` only
    std::optional<bytes> statement;       ///< with `device` only; its form is not looked at here
    bool create = false;
    std::optional<account_id> account;     ///< the one that the key must open
    std::optional<std::string> invitation; ///< its code as somebody typed it: no form is bad
};
/// With the device's key alone.
struct device_login_request
{
    account_id account;
    device_claim device;
    bytes challenge;
    ed25519_signature device_signature{};
};
using sign_in_request = std::variant<login_request, device_login_request>;
/// Only who holds the account's key deletes the account.
struct account_deletion
{
    bytes challenge;
    ed25519_signature signature{};
};
result<challenge_request> read_challenge_request(const boost::json::object& from);
/// `accountId` makes it a device_login_request.
result<sign_in_request> read_sign_in_request(const boost::json::object& from);
result<account_deletion> read_account_deletion(const boost::json::object& from);

// The device chain.
/// Not one of them is looked into.
result<std::vector<bytes>> read_statements_request(const boost::json::object& from);

// Pairing.
using consortium::pairing_request;
struct pairing_answer
{
    x25519_public public_key{};
    std::string response; ///< base64
};
struct pairing_reveal
{
    x25519_public public_key{};
    byte_array<32> nonce{};
};
struct pairing_confirmation
{
    x25519_public public_key{};
    std::optional<bytes> statement;
};
struct pairing_refusal
{
    x25519_public public_key{};
    std::optional<ed25519_signature> signature; ///< empty: by the token of the device that answered
};
result<pairing_request> read_pairing_request(const boost::json::object& from);
result<pairing_answer> read_pairing_answer(const boost::json::object& from);
result<pairing_reveal> read_pairing_reveal(const boost::json::object& from);
result<pairing_confirmation> read_pairing_confirmation(const boost::json::object& from);
result<pairing_refusal> read_pairing_refusal(const boost::json::object& from);

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
struct messages_request
{
    std::optional<revision> epoch; ///< the lease that they are said under
    std::vector<message_item> messages;
};
struct machine_request
{
    std::string id;
    std::string metadata;
    std::optional<std::string> daemon_state;
    std::optional<std::string> data_key;
};
/// Both of its members or none: a browser's word that the session shall be deleted.
result<std::optional<signed_deletion>> read_session_deletion(const boost::json::object& from);
result<session_request> read_session_request(const boost::json::object& from);
result<messages_request> read_messages_request(const boost::json::object& from);
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
    std::optional<revision> epoch;
    bool prove = false; ///< the acknowledgement shall carry a proof
};
/// update-metadata, update-state, machine-update-metadata, machine-update-state
struct field_update_event
{
    std::string id;                   ///< session or machine
    std::optional<std::string> value; ///< null for agentState alone
    std::uint64_t expected = 0;       ///< -1 reads as 0
    std::optional<revision> epoch;    ///< of a session's field
};
struct lease_event
{
    std::string sid;
    std::optional<revision> expected; ///< the epoch that it is taken from
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
    boost::json::value params; ///< a text, or a value that holds the places of all attachments
};
struct stream_event
{
    std::string sid;
    std::string content;
};
result<message_event> read_message_event(const boost::json::object& from);
result<field_update_event> read_field_update(
    const boost::json::object& from, std::string_view id_name, std::string_view value_name, bool nullable);
result<lease_event> read_lease_event(const boost::json::object& from);
result<alive_event> read_alive_event(const boost::json::object& from, std::string_view id_name);
result<std::string> read_rpc_method(const boost::json::object& from);
/// `attachments`: so many came with the event.
result<rpc_call_event> read_rpc_call(const boost::json::object& from, std::size_t attachments = 0);
result<stream_event> read_stream_event(const boost::json::object& from);

} // namespace consortium::protocol::v1
