#include "api/events.hpp"
#include <unordered_map>

namespace consortium::relay::api
{
namespace
{

void ping(connection& from, const boost::json::object*, ack reply)
{
    from.after_earlier([reply = std::move(reply)]() mutable { acknowledge(reply); });
}

/// Known to existing clients, of no use here.
void ignore(connection&, const boost::json::object*, ack reply)
{
    acknowledge(reply);
}

constexpr event_route small[] = {
    {"ping", ping},
    {"app-state", ignore},
};

const std::unordered_map<std::string_view, decltype(event_route::run)>& table()
{
    static const auto all = []
    {
        std::unordered_map<std::string_view, decltype(event_route::run)> out;
        for (const auto& route : all_events())
            out.emplace(route.name, route.run);
        return out;
    }();
    return all;
}

} // namespace

std::vector<event_route> all_events()
{
    std::vector<event_route> out(std::begin(small), std::end(small));
    for (const auto family : {message_events(), field_events(), lease_events(), presence_events(), rpc_events()})
        out.insert(out.end(), family.begin(), family.end());
    return out;
}

void acknowledge(ack& reply)
{
    if (reply.wanted())
        reply(boost::json::object());
}

error no_argument()
{
    return {errc::bad_request, "Invalid parameters: the argument must be an object", {}};
}

void handle_event(connection& from, std::string_view name, arguments args, ack reply)
{
    const auto known = table().find(name);
    if (known == table().end())
        return reply(error{errc::not_found, "no event of this name is known here", {}});
    const auto* fields = args.values.empty() ? nullptr : args.values.front().if_object();
    if (const auto* takes_bytes = std::get_if<binary_event_handler>(&known->second))
        return (*takes_bytes)(from, fields, std::move(args.bytes), std::move(reply));
    if (!args.bytes.empty())
        return reply(error{errc::bad_request, "this event takes no bytes", {}});
    std::get<event_handler>(known->second)(from, fields, std::move(reply));
}

} // namespace consortium::relay::api
