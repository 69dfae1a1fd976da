#pragma once
#include "connection.hpp"
#include <span>
#include <vector>

/// The events that clients send over their sockets.
namespace consortium::relay::api
{
namespace v1 = protocol::v1;

/// `fields`: the event's argument, if it is an object.
using event_handler = void (*)(connection& from, const boost::json::object* fields, ack reply);
struct event_route
{
    std::string_view name;
    event_handler run;
};
std::span<const event_route> message_events();
std::span<const event_route> field_events();
std::span<const event_route> presence_events();
std::span<const event_route> rpc_events();
/// All of them: what sockets are heard on.
std::vector<event_route> all_events();

/// Answers `reply` exactly once, whatever comes.
void handle_event(connection& from, std::string_view name, const boost::json::array& args, ack reply);

/// For events without an answer of their own, when somebody asks all the same.
void acknowledge(ack& reply);
error no_argument();

} // namespace consortium::relay::api
