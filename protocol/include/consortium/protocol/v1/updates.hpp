#pragma once
#include "consortium/protocol/v1/answers.hpp"
#include <variant>

/// What the relay sends unasked: `update` (one for each revision of an account) and `ephemeral`.
namespace consortium::protocol::v1
{

struct new_message
{
    std::string sid;
    message_object message;
};
struct new_session
{
    session_object session;
};
struct update_session
{
    struct value_of
    {
        std::optional<std::string_view> value;
        std::uint64_t version = 0;
    };
    std::string id;
    std::optional<value_of> metadata;
    std::optional<value_of> agent_state;
    std::optional<std::uint64_t> epoch; ///< its lease was taken
};
struct delete_session
{
    std::string sid;
    std::optional<signed_deletion> by; ///< the browser that signed it
};
struct session_activity
{
    std::string id;
    bool active = false;
    std::int64_t active_at = 0;
};
struct new_machine
{
    machine_object machine;
};
struct update_machine
{
    struct value_of
    {
        std::string_view value;
        std::uint64_t version = 0;
    };
    std::string machine_id;
    std::optional<value_of> metadata;
    std::optional<value_of> daemon_state;
    bool active = false;
    std::int64_t active_at = 0;
};
struct machine_activity
{
    std::string id;
    bool active = false;
    std::int64_t active_at = 0;
};
struct delete_machine
{
    std::string machine_id;
};
struct device_change
{
    bytes statement;
};
/// A revision without anything for clients.
struct nothing
{
};
/// Revisions `from` to the update's own, whose contents were destroyed.
struct shredded
{
    std::uint64_t from = 0;
};

using update_body = std::variant<
    nothing, shredded, new_message, new_session, update_session, delete_session, session_activity, new_machine,
    update_machine, machine_activity, delete_machine, device_change>;

struct update
{
    std::string id; ///< 12 characters
    std::uint64_t seq = 0;
    std::int64_t created_at = 0;
    update_body body;
};
void write(json_writer& out, const update& value);

/// Ephemerals, as the whole argument of the event.
std::string activity_ephemeral(std::string_view session, bool active, std::int64_t active_at, bool thinking);
std::string machine_activity_ephemeral(std::string_view machine, bool active, std::int64_t active_at);
std::string stream_ephemeral(std::string_view session, std::string_view content);

} // namespace consortium::protocol::v1
