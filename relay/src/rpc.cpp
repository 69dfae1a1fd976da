#include "rpc.hpp"
#include <algorithm>

namespace consortium::relay
{

rpc_registry::key rpc_registry::key_of(account_id account, std::string_view method)
{
    key out(text(account.view()));
    out += method;
    return out;
}

result<void> rpc_registry::add(account_id account, std::string_view method, connection_id socket)
{
    auto name = key_of(account, method);
    auto& held = sockets_[socket];
    auto& registrants = methods_[name];
    const auto known = std::ranges::find(registrants, socket);
    if (known != registrants.end())
    {
        std::rotate(known, known + 1, registrants.end());
        return {};
    }
    if (held.size() >= settings_.methods_per_socket_max)
    {
        if (registrants.empty())
            methods_.erase(name);
        return fail(
            errc::rate_limited,
            "a socket may register " + std::to_string(settings_.methods_per_socket_max) + " methods at most");
    }
    registrants.push_back(socket);
    lost_at_.erase(name);
    held.push_back(std::move(name));
    return {};
}

bool rpc_registry::remove(account_id account, std::string_view method, connection_id socket)
{
    const auto name = key_of(account, method);
    const auto held = sockets_.find(socket);
    if (held == sockets_.end() || std::erase(held->second, name) == 0)
        return false;
    if (held->second.empty())
        sockets_.erase(held);
    const auto registrants = methods_.find(name);
    std::erase(registrants->second, socket);
    if (registrants->second.empty())
        methods_.erase(registrants);
    return true;
}

void rpc_registry::drop(connection_id socket, unix_millis now)
{
    const auto held = sockets_.find(socket);
    if (held == sockets_.end())
        return;
    if (lost_at_.size() + held->second.size() > settings_.remembered_max)
        std::erase_if(lost_at_, [&](const auto& lost) { return now - lost.second >= settings_.remembered.count(); });
    for (const auto& name : held->second)
    {
        const auto registrants = methods_.find(name);
        std::erase(registrants->second, socket);
        if (!registrants->second.empty())
            continue;
        methods_.erase(registrants);
        if (lost_at_.size() < settings_.remembered_max)
            lost_at_[name] = now;
    }
    sockets_.erase(held);
}

std::optional<connection_id> rpc_registry::find(account_id account, std::string_view method) const
{
    const auto known = methods_.find(key_of(account, method));
    if (known == methods_.end())
        return std::nullopt;
    return known->second.back();
}

bool rpc_registry::was_lost_lately(account_id account, std::string_view method, unix_millis now) const
{
    const auto lost = lost_at_.find(key_of(account, method));
    return lost != lost_at_.end() && now - lost->second < settings_.remembered.count();
}

} // namespace consortium::relay
