#include "presence.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>

namespace consortium::relay
{

std::optional<unix_millis> presence_table::believed(unix_millis time, unix_millis now)
{
    constexpr auto skew = std::chrono::milliseconds(limits::clock_skew_max).count();
    if (time < now - skew)
        return std::nullopt;
    return std::min(time, now);
}

void presence_table::session_opened(account_id account, session_id session, unix_millis now)
{
    auto& state = sessions_[session];
    state.account = account;
    state.active = true;
    state.heard_at = now;
    state.active_at = now;
    state.suppressed_until = 0;
}

void presence_table::session_closed(session_id session, unix_millis now)
{
    const auto known = sessions_.find(session);
    if (known == sessions_.end())
        return;
    known->second.active = false;
    known->second.thinking = false;
    known->second.heard_at = now;
}

void presence_table::session_deleted(session_id session)
{
    sessions_.erase(session);
}

void presence_table::account_deleted(account_id account)
{
    std::erase_if(sessions_, [&](const auto& known) { return known.second.account == account; });
    std::erase_if(machines_, [&](const auto& known) { return known.first.account == account; });
}

void presence_table::session_reopened(session_id session)
{
    if (const auto known = sessions_.find(session); known != sessions_.end())
        known->second.suppressed_until = 0;
}

presence_table::actions
presence_table::session_alive(account_id account, session_id session, unix_millis time, bool thinking, unix_millis now)
{
    const auto at = believed(time, now);
    if (!at)
        return {};
    auto& state = sessions_[session];
    if (now < state.suppressed_until)
        return {};
    const bool was_active = state.active;
    const bool changed = !was_active || state.thinking != thinking;
    state.account = account;
    state.active = true;
    state.thinking = thinking;
    state.heard_at = now;
    state.active_at = *at;
    presence_action action{
        .account = account,
        .session = session,
        .machine = {},
        .active = true,
        .active_at = *at,
        .thinking = thinking,
        .announce = changed || now - state.announced_at >= settings_.activity_interval.count(),
        .record = !was_active};
    if (!action.announce && !action.record)
        return {};
    state.announced_at = now;
    return {action};
}

presence_table::actions
presence_table::session_end(account_id account, session_id session, unix_millis time, unix_millis now)
{
    const auto at = believed(time, now);
    if (!at)
        return {};
    auto& state = sessions_[session];
    state.account = account;
    state.active = false;
    state.thinking = false;
    state.heard_at = now;
    state.active_at = *at;
    state.announced_at = now;
    state.suppressed_until = now + settings_.suppression.count();
    return {presence_action{
        .account = account,
        .session = session,
        .machine = {},
        .active = false,
        .active_at = *at,
        .thinking = false,
        .announce = true,
        .record = true}};
}

presence_action presence_table::of_machine(const machine_name& name, bool active, unix_millis at)
{
    return presence_action{
        .account = name.account,
        .session = {},
        .machine = name.id,
        .active = active,
        .active_at = at,
        .thinking = false,
        .announce = true,
        .record = true};
}

void presence_table::machine_opened(account_id account, const std::string& machine, unix_millis now)
{
    auto& state = machines_[{account, machine}];
    state.known = true;
    state.active = true;
    state.heard_at = now;
}

void presence_table::machine_closed(account_id account, const std::string& machine)
{
    const auto known = machines_.find({account, machine});
    if (known == machines_.end())
        return;
    known->second.active = false;
    if (known->second.sockets == 0)
        machines_.erase(known);
}

presence_table::actions
presence_table::machine_registered(account_id account, const std::string& machine, unix_millis now)
{
    const machine_name name{account, machine};
    const auto state = machines_.find(name);
    if (state == machines_.end() || state->second.sockets == 0)
        return {};
    state->second.known = true;
    if (state->second.active)
        return {};
    state->second.active = true;
    state->second.heard_at = now;
    state->second.announced_at = now;
    return {of_machine(name, true, now)};
}

void presence_table::machine_removed(account_id account, const std::string& machine)
{
    const auto known = machines_.find({account, machine});
    if (known == machines_.end())
        return;
    known->second.known = false;
    known->second.active = false;
    if (known->second.sockets == 0)
        machines_.erase(known);
}

presence_table::actions
presence_table::machine_alive(account_id account, const std::string& machine, unix_millis time, unix_millis now)
{
    const auto at = believed(time, now);
    if (!at)
        return {};
    const machine_name name{account, machine};
    auto& state = machines_[name];
    const bool was_active = state.active;
    state.known = true;
    state.active = true;
    state.heard_at = now;
    if (was_active && now - state.announced_at < settings_.activity_interval.count())
        return {};
    state.announced_at = now;
    auto action = of_machine(name, true, *at);
    action.record = !was_active;
    return {action};
}

presence_table::actions
presence_table::machine_connected(account_id account, const std::string& machine, bool known, unix_millis now)
{
    const machine_name name{account, machine};
    auto& state = machines_[name];
    ++state.sockets;
    state.heard_at = now;
    if (!known)
        return {};
    state.known = true;
    const bool was_active = state.active;
    state.active = true;
    if (state.sockets > 1 && was_active)
        return {};
    state.announced_at = now;
    auto action = of_machine(name, true, now);
    action.record = !was_active;
    return {action};
}

presence_table::actions
presence_table::machine_disconnected(account_id account, const std::string& machine, unix_millis now)
{
    const machine_name name{account, machine};
    const auto state = machines_.find(name);
    if (state == machines_.end() || state->second.sockets == 0)
        return {};
    // Only the last socket of a machine takes it offline: the old one often closes after the new one opened.
    if (--state->second.sockets > 0)
        return {};
    const bool was_known = state->second.known;
    machines_.erase(state);
    if (!was_known)
        return {};
    return {of_machine(name, false, now)};
}

presence_table::actions presence_table::sweep(unix_millis now)
{
    actions out;
    for (auto at = sessions_.begin(); at != sessions_.end();)
    {
        auto& [session, state] = *at;
        if (state.active && now - state.heard_at >= settings_.session_timeout.count())
        {
            state.active = false;
            state.thinking = false;
            state.announced_at = now;
            out.push_back(presence_action{
                .account = state.account,
                .session = session,
                .machine = {},
                .active = false,
                .active_at = state.active_at,
                .thinking = false,
                .announce = true,
                .record = true});
        }
        // What is inactive needs no memory once nothing is suppressed any more.
        if (!state.active && now >= state.suppressed_until)
            at = sessions_.erase(at);
        else
            ++at;
    }
    for (auto at = machines_.begin(); at != machines_.end();)
    {
        auto& [name, state] = *at;
        const bool silent = state.sockets == 0 && now - state.heard_at >= settings_.machine_timeout.count();
        if (silent && state.active)
            out.push_back(of_machine(name, false, state.heard_at));
        if (silent)
            at = machines_.erase(at);
        else
            ++at;
    }
    return out;
}

} // namespace consortium::relay
