#pragma once
#include "consortium/projections/commands.hpp"

/// The commands of somebody, with their usual values.
namespace consortium::projections::testing
{

template <class Id>
Id new_id()
{
    return Id{make_uuid_v7(0)};
}

inline create_session session_wish(const principal& who, std::string tag)
{
    create_session wanted;
    wanted.who = who;
    wanted.new_session = new_id<session_id>();
    wanted.metadata = "metadata of " + tag;
    wanted.data_key = "data key of " + tag;
    wanted.tag = std::move(tag);
    return wanted;
}

inline append_messages message_wish(
    const principal& who, session_id session, std::vector<std::pair<std::string, std::optional<std::string>>> texts)
{
    append_messages wanted;
    wanted.who = who;
    wanted.session = session;
    for (auto& [content, local_id] : texts)
        wanted.items.push_back({content, local_id, new_id<message_id>()});
    return wanted;
}

inline register_machine machine_wish(const principal& who, std::string id)
{
    register_machine wanted;
    wanted.who = who;
    wanted.new_machine = new_id<machine_row_id>();
    wanted.metadata = "metadata of " + id;
    wanted.machine_id = std::move(id);
    return wanted;
}

template <class Command>
Command by(const principal& who)
{
    Command wanted;
    wanted.who = who;
    return wanted;
}
template <class Command>
Command about(const principal& who, session_id session)
{
    auto wanted = by<Command>(who);
    wanted.session = session;
    return wanted;
}
template <class Command>
Command about(const principal& who, std::string machine_id)
{
    auto wanted = by<Command>(who);
    wanted.machine_id = std::move(machine_id);
    return wanted;
}

} // namespace consortium::projections::testing
