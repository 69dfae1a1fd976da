#include "api/events.hpp"
#include "consortium/projections/views.hpp"

namespace consortium::relay::api
{
namespace
{

void tell(connection& to, std::string_view event, boost::json::object fields)
{
    if (auto* carrier = to.carrier())
        carrier->emit(event, std::move(fields));
}

void tell_error(connection& to, std::string_view type, std::string_view text, const error& why)
{
    boost::json::object fields{{"type", type}, {"error", text}, {"code", word(why.code)}};
    if (why.retry)
        fields["retry"] = why.retry->count();
    else
        fields["retry"] = false;
    tell(to, "rpc-error", std::move(fields));
}

result<std::string> read_method(const boost::json::object* fields)
{
    return fields ? v1::read_rpc_method(*fields) : result<std::string>(std::unexpected(no_argument()));
}

void register_method(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto method = read_method(fields);
    if (!method)
        return tell_error(from, "register", "Invalid method name", method.error());
    const auto at = from.shared().log.read();
    if (auto reached = projections::reach(*at, from.who(), projections::method_target{*method}, intent::write);
        !reached)
        return tell_error(from, "register", "Invalid method name", reached.error());
    if (auto* carrier = from.carrier())
    {
        if (auto added = from.shared().rpc.add(from.account(), *method, from, *carrier); !added)
            return tell_error(from, "register", added.error().detail, added.error());
        tell(from, "rpc-registered", {{"method", *method}});
    }
}

void unregister_method(connection& from, const boost::json::object* fields, ack reply)
{
    acknowledge(reply);
    const auto method = read_method(fields);
    if (!method)
        return tell_error(from, "unregister", "Invalid method name", method.error());
    from.shared().rpc.remove(from.account(), *method, from.id());
    tell(from, "rpc-unregistered", {{"method", *method}});
}

/// What holds the places of bytes has its room with them.
std::size_t text_size(const boost::json::value& params)
{
    const auto* text = params.if_string();
    return text != nullptr ? text->size() : 0;
}

void call_method(connection& from, const boost::json::object* fields, attachments bytes, ack reply)
{
    auto asked = fields ? v1::read_rpc_call(*fields, bytes.each.size())
                        : result<v1::rpc_call_event>(std::unexpected(no_argument()));
    if (!asked)
    {
        const bool no_method = !fields || !fields->contains("method") || !fields->at("method").is_string();
        return reply(boost::json::value(rpc_service::refusal(
            no_method ? std::string_view("Invalid parameters: method is required")
                      : std::string_view(asked.error().detail),
            asked.error())));
    }
    if (!projections::reach(
            *from.shared().log.read(), from.who(), projections::method_target{asked->method}, intent::see))
        return reply(boost::json::value(rpc_service::not_available()));
    auto room = from.shared().account_bytes.take(to_string(from.account()), text_size(asked->params));
    if (!room)
        return reply(boost::json::value(rpc_service::refusal(room.error().detail, room.error())));
    // After what its sender said before has reached everybody, so that the target has heard it.
    auto wanted = rpc_service::call{
        .account = from.account(),
        .caller = from.id(),
        .method = std::move(asked->method),
        .params = std::move(asked->params),
        .bytes = std::move(bytes),
        .room = std::move(*room),
        .reply = std::move(reply),
        .in_flight = from.calls_in_flight};
    from.after_earlier([&rpc = from.shared().rpc, wanted = std::move(wanted)]() mutable
                       { rpc.begin(std::move(wanted)); });
}

constexpr event_route routes[] = {
    {"rpc-register", register_method},
    {"rpc-unregister", unregister_method},
    {"rpc-call", call_method},
};

} // namespace

std::span<const event_route> rpc_events()
{
    return routes;
}

} // namespace consortium::relay::api
