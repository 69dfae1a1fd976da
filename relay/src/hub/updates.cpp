#include "hub/updates.hpp"
#include "consortium/log/domain.hpp"
#include "consortium/projections/views.hpp"
#include <array>

namespace consortium::relay
{
namespace
{

namespace v1 = protocol::v1;

constexpr std::size_t machine_names_max = 65'536;
constexpr std::size_t large_known_max = 1024;

std::uint64_t mix(std::uint64_t x)
{
    // splitmix64's finaliser: an id needs to look random, not to be it.
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

class snapshot_lookup final : public update_lookup
{
public:
    snapshot_lookup(update_writer& writer, lazy_snapshot& at) : writer_(writer), at_(at) {}

    machine find_machine(account_id account, machine_row_id row) override
    {
        machine out;
        out.id = writer_.machine_name(account, row, at_);
        const auto found = projections::find_machine(at_.get(), account, out.id);
        if (!found && found.error() != errc::not_found)
            throw log::log_failure(found.error());
        if (found)
        {
            out.active = found->active;
            out.active_at = found->active_at;
        }
        return out;
    }

private:
    update_writer& writer_;
    lazy_snapshot& at_;
};

v1::session_object created_session(const log::event& happened, const log::session_created& body)
{
    const auto time = happened.header.time;
    return {
        .id = to_string(happened.header.stream),
        .seq = 0,
        .created_at = time,
        .updated_at = time,
        .active = true,
        .active_at = time,
        .metadata = body.metadata,
        .metadata_version = happened.header.rev.value,
        .agent_state = {},
        .agent_state_version = 0,
        .data_key = body.data_key,
    };
}

v1::machine_object registered_machine(const log::event& happened, const log::machine_registered& body)
{
    const auto time = happened.header.time;
    const auto version = happened.header.rev.value;
    return {
        .id = body.machine_id,
        .metadata = body.metadata,
        .metadata_version = version,
        .daemon_state = body.daemon_state,
        .daemon_state_version = body.daemon_state ? version : 0,
        .data_key = body.data_key,
        .active = false,
        .active_at = time,
        .created_at = time,
        .updated_at = time,
    };
}

v1::new_message appended_message(const log::event& happened, const log::message_appended& body)
{
    return {
        .sid = to_string(happened.header.stream),
        .message =
            {.id = to_string(body.id),
             .seq = happened.header.seq,
             .revision = happened.header.rev.value,
             .local_id = body.local_id,
             .content = body.content,
             .created_at = happened.header.time},
    };
}

v1::update_body machine_body(const log::event& happened, update_lookup& lookup)
{
    const auto& header = happened.header;
    const auto row = header.stream.as<machine_row_id>();
    if (const auto* registered = happened.as<log::machine_registered>())
        return v1::new_machine{registered_machine(happened, *registered)};
    if (const auto* removed = happened.as<log::machine_removed>())
        return v1::delete_machine{removed->machine_id};
    const auto known = lookup.find_machine(header.account, row);
    if (known.id.empty())
        return v1::nothing{};
    if (const auto* changed = happened.as<log::machine_metadata_changed>())
        return v1::update_machine{
            .machine_id = known.id,
            .metadata = v1::update_machine::value_of{changed->metadata, header.rev.value},
            .daemon_state = {},
            .active = known.active,
            .active_at = known.active_at};
    if (const auto* changed = happened.as<log::daemon_state_changed>())
        return v1::update_machine{
            .machine_id = known.id,
            .metadata = {},
            .daemon_state = v1::update_machine::value_of{changed->state, header.rev.value},
            .active = true,
            .active_at = header.time};
    return v1::machine_activity{known.id, header.type == log::event_type::machine_online, header.time};
}

} // namespace

std::string update_id(log_id log, account_id account, revision at)
{
    constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    auto state = load_little_endian<std::uint64_t>(byte_view(log.value).subspan(8));
    state = mix(state ^ load_little_endian<std::uint64_t>(account.value));
    state = mix(state ^ load_little_endian<std::uint64_t>(byte_view(account.value).subspan(8)));
    state = mix(state + at.value);
    std::string out(12, '0');
    for (std::size_t i = 0; i < out.size(); ++i)
    {
        if (i == 6)
            state = mix(state + at.value);
        out[i] = alphabet[state % alphabet.size()];
        state /= alphabet.size();
    }
    return out;
}

v1::update_body body_of(const log::event& happened, update_lookup& lookup)
{
    using update = log::event_update;
    const auto& header = happened.header;
    const auto id = [&] { return to_string(header.stream); };
    switch (log::describe(header.type).update)
    {
    case update::new_session:
        if (const auto* body = happened.as<log::session_created>())
            return v1::new_session{created_session(happened, *body)};
        break;
    case update::new_message:
        if (const auto* body = happened.as<log::message_appended>())
            return appended_message(happened, *body);
        break;
    case update::update_session:
        if (const auto* body = happened.as<log::session_metadata_changed>())
            return v1::update_session{id(), v1::update_session::value_of{body->metadata, header.rev.value}, {}, {}};
        if (const auto* body = happened.as<log::agent_state_changed>())
            return v1::update_session{id(), {}, v1::update_session::value_of{body->state, header.rev.value}, {}};
        if (header.type == log::event_type::session_leased)
            return v1::update_session{id(), {}, {}, header.rev.value};
        break;
    case update::session_activity:
        return v1::session_activity{id(), header.type == log::event_type::session_resumed, header.time};
    case update::delete_session:
        if (const auto* word = happened.as<log::session_deletion_signed>())
            return v1::delete_session{id(), signed_deletion{word->device, word->signature}};
        return v1::delete_session{id(), {}};
    case update::new_machine:
    case update::update_machine:
    case update::machine_activity:
    case update::delete_machine:
        return machine_body(happened, lookup);
    case update::device:
        if (const auto* stated = happened.as<log::device_stated>())
            return v1::device_change{stated->statement};
        break;
    case update::none:
        break;
    }
    return v1::nothing{};
}

void update_writer::learn(const log::event& happened)
{
    const auto* registered = happened.as<log::machine_registered>();
    if (!registered)
        return;
    const std::lock_guard lock(guard_);
    if (machines_.size() >= machine_names_max)
        machines_.clear();
    machines_[happened.header.stream.as<machine_row_id>()] = registered->machine_id;
}

std::string update_writer::machine_name(account_id account, machine_row_id row, lazy_snapshot& at)
{
    {
        const std::lock_guard lock(guard_);
        if (const auto known = machines_.find(row); known != machines_.end())
            return known->second;
    }
    const auto all = projections::list_machines(at.get(), account);
    if (!all)
        throw log::log_failure(all.error()); // an update of a machine without a name would be lost on everybody
    std::string out;
    const std::lock_guard lock(guard_);
    if (machines_.size() + all->size() > machine_names_max)
        machines_.clear();
    for (const auto& machine : *all)
    {
        machines_[machine.row] = machine.id;
        if (machine.row == row)
            out = machine.id;
    }
    machines_[row] = out;
    return out;
}

void update_writer::append_json(std::string& out, const log::event& happened, lazy_snapshot& at)
{
    learn(happened);
    snapshot_lookup lookup(*this, at);
    const auto& header = happened.header;
    v1::json_writer json(out);
    v1::write(
        json,
        {.id = update_id(log_, header.account, header.rev),
         .seq = header.rev.value,
         .created_at = header.time,
         .body = happened.shredded() ? v1::update_body(v1::shredded{header.rev.value}) : body_of(happened, lookup)});
}

void update_writer::append_shredded_json(std::string& out, revision from, const log::event& last)
{
    const auto& header = last.header;
    v1::json_writer json(out);
    v1::write(
        json, {.id = update_id(log_, header.account, header.rev),
               .seq = header.rev.value,
               .created_at = header.time,
               .body = v1::shredded{from.value}});
}

net::shared_frame update_writer::update(const log::event& happened, lazy_snapshot& at)
{
    const bool large = !happened.shredded() && happened.header.body_bytes >= large_bytes_min;
    if (large)
    {
        const std::lock_guard lock(guard_);
        if (const auto known = large_.find(happened.number); known != large_.end())
            if (auto made = known->second.lock())
                return made;
    }
    std::string text = "42[\"update\",";
    if (const auto* message = happened.as<log::message_appended>())
        text.reserve(512 + message->content.size());
    append_json(text, happened, at);
    text += ']';
    auto made = net::encode_text_frame(text);
    made->count(output_.of(happened.header.account));
    if (large)
    {
        const std::lock_guard lock(guard_);
        if (large_.size() >= large_known_max)
            std::erase_if(large_, [](const auto& one) { return one.second.expired(); });
        large_[happened.number] = made;
    }
    return made;
}

net::shared_frame update_writer::shredded(revision from, const log::event& last)
{
    std::string text = "42[\"update\",";
    append_shredded_json(text, from, last);
    text += ']';
    return net::encode_text_frame(text);
}

net::shared_frame update_writer::caught_up(revision at)
{
    std::string json;
    v1::json_writer(json).begin_object().field("log", to_string(log_)).field("revision", at.value).end_object();
    return event_frame("caught-up", json);
}

net::shared_frame event_frame(std::string_view name, std::string_view json)
{
    std::string text = "42[\"";
    text.reserve(name.size() + json.size() + 8);
    text += name;
    text += "\",";
    text += json;
    text += ']';
    return net::encode_text_frame(text);
}

} // namespace consortium::relay
