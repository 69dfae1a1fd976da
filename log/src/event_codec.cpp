#include "consortium/log/domain.hpp"
#include "consortium/log/event_log.hpp"

namespace consortium::log
{

std::string_view name(event_type type) noexcept
{
    switch (type)
    {
    case event_type::account_created:
        return "account_created";
    case event_type::device_added:
        return "device_added";
    case event_type::session_created:
        return "session_created";
    case event_type::message_appended:
        return "message_appended";
    case event_type::session_metadata_changed:
        return "session_metadata_changed";
    case event_type::agent_state_changed:
        return "agent_state_changed";
    case event_type::session_ended:
        return "session_ended";
    case event_type::session_deleted:
        return "session_deleted";
    case event_type::machine_registered:
        return "machine_registered";
    case event_type::machine_metadata_changed:
        return "machine_metadata_changed";
    case event_type::daemon_state_changed:
        return "daemon_state_changed";
    case event_type::machine_online:
        return "machine_online";
    case event_type::machine_offline:
        return "machine_offline";
    case event_type::machine_removed:
        return "machine_removed";
    case event_type::device_renamed:
        return "device_renamed";
    case event_type::device_revoked:
        return "device_revoked";
    case event_type::pairing_approved:
        return "pairing_approved";
    case event_type::account_deleted:
        return "account_deleted";
    case event_type::session_resumed:
        return "session_resumed";
    }
    return {};
}

bool is_known(event_type type) noexcept
{
    return !name(type).empty();
}

} // namespace consortium::log
