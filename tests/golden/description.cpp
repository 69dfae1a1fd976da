#include "golden/description.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/projections/views.hpp"
#include <algorithm>
#include <map>

namespace consortium::golden
{
namespace
{

namespace json = boost::json;
using namespace projections;

/// Long texts by their length and hash.
json::value said(const std::string& text)
{
    constexpr std::size_t shown_max = 120;
    if (text.size() <= shown_max)
        return json::string(text);
    return json::object{{"bytes", text.size()}, {"sha256", hex_encode(sha256({view(text)}))}};
}
json::value said(const std::optional<std::string>& text)
{
    return text ? said(*text) : json::value(nullptr);
}
json::value said(const bytes& value)
{
    return json::string(hex_encode(value));
}
template <std::size_t Size>
json::value said(const byte_array<Size>& value)
{
    return json::string(hex_encode(value));
}
template <class Tag>
json::value said(const uuid<Tag>& id)
{
    return json::string(to_string(id));
}
json::value said(revision number)
{
    return number.value;
}

struct body_words
{
    json::object operator()(const log::no_body&) const { return {}; }
    json::object operator()(const log::account_created& of) const { return {{"publicKey", said(of.public_key)}}; }
    json::object operator()(const log::device_added& of) const
    {
        return {{"publicKey", said(of.public_key)}, {"kind", int(of.kind)}, {"sealedName", said(of.sealed_name)}};
    }
    json::object operator()(const log::device_renamed& of) const { return {{"sealedName", said(of.sealed_name)}}; }
    json::object operator()(const log::pairing_approved& of) const
    {
        return {
            {"requestKey", said(of.request_key)},
            {"device", said(of.device)},
            {"approver", said(of.approver)},
            {"response", said(of.response)}};
    }
    json::object operator()(const log::session_created& of) const
    {
        return {
            {"creator", said(of.creator)},
            {"tag", said(of.tag)},
            {"metadata", said(of.metadata)},
            {"dataKey", said(of.data_key)}};
    }
    json::object operator()(const log::message_appended& of) const
    {
        return {{"id", said(of.id)}, {"localId", said(of.local_id)}, {"content", said(of.content)}};
    }
    json::object operator()(const log::session_metadata_changed& of) const { return {{"metadata", said(of.metadata)}}; }
    json::object operator()(const log::agent_state_changed& of) const { return {{"state", said(of.state)}}; }
    json::object operator()(const log::machine_registered& of) const
    {
        return {
            {"creator", said(of.creator)},
            {"machineId", said(of.machine_id)},
            {"metadata", said(of.metadata)},
            {"daemonState", said(of.daemon_state)},
            {"dataKey", said(of.data_key)}};
    }
    json::object operator()(const log::machine_metadata_changed& of) const { return {{"metadata", said(of.metadata)}}; }
    json::object operator()(const log::daemon_state_changed& of) const { return {{"state", said(of.state)}}; }
    json::object operator()(const log::machine_removed& of) const { return {{"machineId", said(of.machine_id)}}; }
    json::object operator()(const log::device_stated& of) const { return {{"statement", said(of.statement)}}; }
    json::object operator()(const log::session_deletion_signed& of) const
    {
        return {{"device", said(of.device)}, {"signature", said(of.signature)}};
    }
    json::object operator()(const log::invitation_made& of) const
    {
        return {{"creator", said(of.creator)}, {"expires", of.expires}};
    }
};

json::value describe_event(const log::event& happened)
{
    const auto& header = happened.header;
    return json::object{
        {"event", happened.number.value},
        {"type", log::name(header.type)},
        {"account", said(header.account)},
        {"stream", said(header.stream)},
        {"revision", said(header.rev)},
        {"seq", header.seq},
        {"time", header.time},
        {"bodyBytes", header.body_bytes},
        {"body", happened.body ? json::value(std::visit(body_words(), *happened.body)) : json::value("shredded")}};
}

json::array describe_messages(const log::snapshot& at, account_id account, session_id session)
{
    json::array out;
    for (const auto& one : messages_after(at, account, session, 0, SIZE_MAX).value().messages)
        out.push_back(json::object{
            {"id", said(one.id)},
            {"seq", one.seq},
            {"revision", said(one.rev)},
            {"localId", said(one.local_id)},
            {"content", said(one.content)},
            {"createdAt", one.created_at}});
    return out;
}

json::value describe_session(const log::snapshot& at, account_id account, const session_view& of)
{
    return json::object{
        {"session", said(of.id)},
        {"creator", said(of.creator)},
        {"seq", of.seq},
        {"createdAt", of.created_at},
        {"updatedAt", of.updated_at},
        {"active", of.active},
        {"activeAt", of.active_at},
        {"metadata", said(of.metadata)},
        {"metadataVersion", said(of.metadata_version)},
        {"agentState", said(of.agent_state)},
        {"agentStateVersion", said(of.agent_state_version)},
        {"dataKey", said(of.data_key)},
        {"messages", describe_messages(at, account, of.id)}};
}

json::value describe_machine(const machine_view& of)
{
    return json::object{
        {"machine", said(of.id)},
        {"row", said(of.row)},
        {"creator", said(of.creator)},
        {"metadata", said(of.metadata)},
        {"metadataVersion", said(of.metadata_version)},
        {"daemonState", said(of.daemon_state)},
        {"daemonStateVersion", said(of.daemon_state_version)},
        {"dataKey", said(of.data_key)},
        {"active", of.active},
        {"activeAt", of.active_at},
        {"createdAt", of.created_at},
        {"updatedAt", of.updated_at}};
}

json::value describe_device(const device_view& of, const std::string& sealed_name)
{
    json::object out{{"device", said(of.id)},
                     {"publicKey", said(of.public_key)},
                     {"kind", int(of.kind)},
                     {"sealedName", said(sealed_name)},
                     {"createdAt", of.created_at},
                     {"revokedAt", of.revoked_at ? json::value(*of.revoked_at) : json::value(nullptr)}};
    if (of.stated || of.sign_outs > 0) // what the first directories do not have
    {
        out["stated"] = of.stated;
        out["signOuts"] = of.sign_outs;
    }
    return out;
}

std::vector<log::event> all_events(const log::snapshot& at)
{
    return at.read(lsn{1}, at.head().value).value();
}

/// What the queries say of one account, and of what the log says was in it.
void describe_account(json::array& out, const log::snapshot& at, account_id account)
{
    const auto found = find_account(at, account);
    if (!found)
    {
        out.push_back(json::object{{"account", said(account)}, {"found", false}});
        return;
    }
    json::array revisions;
    json::array deletions;
    std::map<device_id, std::string> names; // of the first edition's devices
    for (const auto& happened : changes(at, account, revision{}, SIZE_MAX).value())
    {
        revisions.push_back(happened.number.value);
        const auto device = happened.header.stream.as<device_id>();
        if (const auto* added = happened.as<log::device_added>())
            names[device] = added->sealed_name;
        if (const auto* renamed = happened.as<log::device_renamed>())
            names[device] = renamed->sealed_name;
        if (happened.header.type == log::event_type::session_deletion_signed)
        {
            const auto session = happened.header.stream.as<session_id>();
            const auto deletion = find_deletion(at, account, session).value();
            deletions.push_back(json::object{
                {"deletionOf", said(session)},
                {"device", said(deletion.device)},
                {"signature", said(deletion.signature)}});
        }
    }
    out.push_back(json::object{
        {"account", said(account)},
        {"found", true},
        {"publicKey", said(found->public_key)},
        {"lastRevision", said(found->last)},
        {"createdAt", found->created_at},
        {"changes", std::move(revisions)}});
    for (auto& one : deletions)
        out.push_back(std::move(one));
    for (const auto& one : list_devices(at, account).value())
        out.push_back(describe_device(one, names[one.id]));
    for (const auto& one : list_statements(at, account).value())
        out.push_back(json::object{{"statement", said(one)}, {"account", said(account)}});
    for (const auto& one : list_sessions(at, account, SIZE_MAX).value().sessions)
        out.push_back(describe_session(at, account, one));
    for (const auto& one : list_machines(at, account).value())
        out.push_back(describe_machine(one));
}

} // namespace

json::array describe(const log::snapshot& at)
{
    json::array out;
    std::vector<account_id> accounts;
    const auto events = all_events(at);
    for (const auto& happened : events)
    {
        out.push_back(describe_event(happened));
        if (std::ranges::find(accounts, happened.header.account) == accounts.end())
            accounts.push_back(happened.header.account);
    }
    for (const auto account : accounts)
        describe_account(out, at, account);
    for (const auto& happened : events)
        if (const auto* approved = happened.as<log::pairing_approved>())
        {
            out.push_back(json::object{
                {"pairing", said(approved->request_key)},
                {"account", said(happened.header.account)},
                {"device", said(approved->device)},
                {"response", said(approved->response)},
                {"approvedAt", happened.header.time}});
        }
    // In the order of row keys, which is none that clients see.
    std::map<std::string, unix_millis> active;
    for (const auto& one : list_active(at).value())
        active[one.session.is_nil() ? one.machine_id : to_string(one.session)] = one.active_at;
    for (const auto& [name, since] : active)
        out.push_back(json::object{{"active", name}, {"activeAt", since}});
    return out;
}

json::object count_types(const log::snapshot& at)
{
    std::map<std::string_view, std::uint64_t> counted;
    for (const auto& happened : all_events(at))
        ++counted[log::name(happened.header.type)];
    json::object out;
    for (const auto& [type, count] : counted)
        out[type] = count;
    return out;
}

json::object describe(const log::relay_keys& keys)
{
    return {
        {"token", said(ed25519_key::from_seed(keys.token_seed).public_key())},
        {"checkpoint", said(ed25519_key::from_seed(keys.checkpoint_seed).public_key())}};
}

} // namespace consortium::golden
