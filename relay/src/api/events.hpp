#pragma once
#include "connection.hpp"
#include <span>
#include <variant>
#include <vector>

/// The events that clients send over their sockets.
namespace consortium::relay::api
{
namespace v1 = protocol::v1;

/// `fields`: the event's argument, if it is an object.
using event_handler = void (*)(connection& from, const boost::json::object* fields, ack reply);
/// Of one whose argument may hold bytes.
using binary_event_handler =
    void (*)(connection& from, const boost::json::object* fields, attachments given, ack reply);
struct event_route
{
    std::string_view name;
    std::variant<event_handler, binary_event_handler> run;
};
std::span<const event_route> message_events();
std::span<const event_route> field_events();
std::span<const event_route> lease_events();
std::span<const event_route> presence_events();
std::span<const event_route> rpc_events();
/// All of them: what sockets are heard on.
std::vector<event_route> all_events();

/// Answers `reply` exactly once, whatever comes.
void handle_event(connection& from, std::string_view name, arguments args, ack reply);

/// For events without an answer of their own, when somebody asks all the same.
void acknowledge(ack& reply);
error no_argument();

} // namespace consortium::relay::api
