#pragma once
#include "consortium/protocol/v1/json.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <span>

/// What the relay answers: objects of the contract as JSON text. Each `write` appends one value.
namespace consortium::protocol::v1
{

struct session_object
{
    std::string id;
    std::uint64_t seq = 0;
    std::int64_t created_at = 0;
    std::int64_t updated_at = 0;
    bool active = false;
    std::int64_t active_at = 0;
    std::string metadata;
    std::uint64_t metadata_version = 0;
    std::optional<std::string> agent_state;
    std::uint64_t agent_state_version = 0;
    std::optional<std::string> data_key;
};
/// `fields` are the members of SESS without braces, so that a list and an update can add theirs.
void write_fields(json_writer& out, const session_object& value);

struct machine_object
{
    std::string id;
    std::string metadata;
    std::uint64_t metadata_version = 0;
    std::optional<std::string> daemon_state;
    std::uint64_t daemon_state_version = 0;
    std::optional<std::string> data_key;
    bool active = false;
    std::int64_t active_at = 0;
    std::int64_t created_at = 0;
    std::int64_t updated_at = 0;
};
/// The members of MACH; `with_seq`: the two GETs have a seq, always 0.
void write(json_writer& out, const machine_object& value, bool with_seq);

struct message_object
{
    std::string id;
    std::uint64_t seq = 0;
    std::uint64_t revision = 0;
    std::optional<std::string> local_id;
    std::string_view content;
    std::int64_t created_at = 0;
};
void write(json_writer& out, const message_object& value);
/// The same without content: what a POST answers.
void write_receipt(json_writer& out, const message_object& value);

struct device_object
{
    std::string id;
    bytes public_key; ///< empty: a login without a device key
    std::string_view kind;
    std::int64_t created_at = 0;
    std::optional<std::int64_t> revoked_at;
    bool stated = false; ///< the account's chain names it
};
void write(json_writer& out, const device_object& value);
/// `"statements":[..]`
void write_statements(json_writer& out, std::span<const bytes> statements);
/// `"deletion":{..}`
void write_deletion(json_writer& out, const signed_deletion& value);

/// What a client may hear of an error: what went wrong inside the relay, with its paths and the words of its libraries,
/// is errc::internal, to be tried again unless it is a bug.
error for_client(error why);
/// Body of a refused HTTP request: `{"error", "code", "retry", ...}`; `also`: members of the contract, with a comma
/// before each.
std::string error_body(const error& why, std::string_view text, std::string_view also = {});
/// Argument of a refused event: `{"result":"error","message","code","retry"}`.
std::string error_ack(const error& why, std::string_view text);
/// `,"code":..,"retry":..`
void append_code_and_retry(std::string& out, const error& why);

} // namespace consortium::protocol::v1
