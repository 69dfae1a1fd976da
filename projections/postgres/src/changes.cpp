#include "changes.hpp"
#include "consortium/common/device_chain.hpp"
#include <algorithm>
#include <array>
#include <utility>

namespace consortium::postgres
{
namespace
{

template <log::event_type Type>
using on = log::event_tag<Type>;

/// Postgres' text form of an array of what has no need of quotes: ids, numbers, times, flags.
class array_text
{
public:
    void add(const std::string& value) { text_ += (text_.empty() ? "" : ",") + value; }
    std::string take() { return "{" + std::exchange(text_, {}) + "}"; }

private:
    std::string text_;
};

/// One for sessions, one for machines: what is not said stays as it is, times and versions never go back.
std::string update_of(const std::string& table, const std::string& id, const std::string& state_version, bool has_seq)
{
    return "UPDATE " + table + " AS old SET updated_at = greatest(old.updated_at, new.updated_at)," +
           (has_seq ? " seq = greatest(old.seq, new.seq)," : "") +
           " metadata_version = greatest(old.metadata_version, new.metadata_version), " + state_version +
           " = greatest(old." + state_version +
           ", new.state_version), active = coalesce(new.active, old.active), active_at = coalesce(new.active_at, "
           "old.active_at) FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], "
           "$6::bigint[], $7::boolean[], $8::timestamptz[]) AS new(account_id, id, updated_at, seq, metadata_version, "
           "state_version, active, active_at) WHERE old.account_id = new.account_id AND old." +
           id + " = new.id";
}

} // namespace

std::string_view name_of(device_kind kind)
{
    switch (kind)
    {
    case device_kind::browser:
        return "browser";
    case device_kind::agent:
        return "agent";
    case device_kind::unnamed:
        return "unnamed";
    }
    return "unknown";
}

/// By type, as the views fold it (projections/src): a type about one of these subjects that changes something and is
/// missing here does not compile.
struct changes::fold
{
    using type = log::event_type;
    const log::event& happened;
    changes& to;

    void operator()(on<type::account_created>) const {}

    void operator()(on<type::device_added>) const
    {
        if (const auto* body = happened.as<log::device_added>())
            add_device(body->kind);
    }
    void operator()(on<type::addition_stated>) const
    {
        const auto* body = happened.as<log::device_stated>();
        if (body == nullptr)
            return;
        if (const auto said = parse_statement(body->statement))
            add_device(said->kind);
    }
    void operator()(on<type::device_renamed>) const {}
    void operator()(on<type::pairing_approved>) const {}
    void operator()(on<type::device_signed_out>) const {}
    void operator()(on<type::device_revoked>) const { device({}); }
    void operator()(on<type::revocation_stated>) const { device({}); }

    void operator()(on<type::session_created>) const {}
    void operator()(on<type::message_appended>) const { session().seq = happened.header.seq; }
    void operator()(on<type::session_metadata_changed>) const
    {
        session().metadata_version = happened.header.rev.value;
    }
    void operator()(on<type::agent_state_changed>) const { session().state_version = happened.header.rev.value; }
    void operator()(on<type::session_ended>) const { set_active(session(), /*active=*/false); }
    void operator()(on<type::session_resumed>) const { set_active(session(), /*active=*/true); }
    void operator()(on<type::session_leased>) const { session(); } // who writes is the relay's business alone

    void operator()(on<type::machine_registered>) const {}
    void operator()(on<type::machine_metadata_changed>) const
    {
        machine().metadata_version = happened.header.rev.value;
    }
    void operator()(on<type::daemon_state_changed>) const
    {
        machine().state_version = happened.header.rev.value;
        set_active(machine(), /*active=*/true);
    }
    void operator()(on<type::machine_online>) const { set_active(machine(), /*active=*/true); }
    void operator()(on<type::machine_offline>) const { set_active(machine(), /*active=*/false); }

private:
    void add_device(device_kind kind) const { device(kind); }
    void device(std::optional<device_kind> added) const
    {
        const auto& header = happened.header;
        to.devices_.push_back({header.account, header.stream.as<device_id>(), happened.number, header.time, added});
    }
    standing& session() const { return standing_in(to.sessions_); }
    standing& machine() const { return standing_in(to.machines_); }
    standing& standing_in(std::map<subject, standing>& subjects) const
    {
        auto& out = subjects[{happened.header.account, happened.header.stream}];
        out.updated_at = std::max(out.updated_at, happened.header.time);
        return out;
    }
    void set_active(standing& what, bool active) const
    {
        what.active = active;
        what.active_at = happened.header.time;
    }
};

void changes::add(const log::event& happened)
{
    const auto& header = happened.header;
    const auto known = log::describe(header.type);
    if (known.destroys_key())
        erased_.push_back({known.about, header.account, header.stream});
    log::with_tag(
        header.type,
        [&]<log::event_type Type>(on<Type> tag)
        {
            constexpr auto described = log::describe(Type);
            if constexpr (!described.destroys_key() && described.about != log::event_subject::invitation)
                fold{happened, *this}(tag);
        });
}

bool changes::erases(const log::event& happened) const
{
    return std::ranges::any_of(
        erased_,
        [&](const erasure& one)
        {
            return one.account == happened.header.account &&
                   (one.about == log::event_subject::account || one.subject == happened.header.stream);
        });
}

void changes::apply(pqxx::transaction_base& to) const
{
    static const auto update_sessions =
        update_of("consortium.sessions", "session_id", "agent_state_version", /*has_seq=*/true);
    static const auto update_machines =
        update_of("consortium.machines", "machine", "daemon_state_version", /*has_seq=*/false);
    apply_standings(to, update_sessions, sessions_);
    apply_standings(to, update_machines, machines_);
    for (const auto& one : devices_)
    {
        const bool gone = std::ranges::any_of(
            erased_, [&](const erasure& erased)
            { return erased.about == log::event_subject::account && erased.account == one.account; });
        if (gone)
            continue;
        const auto account = to_string(one.account);
        const auto device = to_string(one.id);
        if (one.added)
            to.exec_params(
                "INSERT INTO consortium.devices (account_id, device_id, kind, lsn, created_at) VALUES ($1, $2, $3, $4, "
                "$5) ON CONFLICT (account_id, device_id) DO UPDATE SET kind = excluded.kind",
                account, device, std::string(name_of(*one.added)), one.number.value, iso_time(one.time));
        else
            to.exec_params(
                "UPDATE consortium.devices SET revoked_at = $3 WHERE account_id = $1 AND device_id = $2", account,
                device, iso_time(one.time));
    }
}

void changes::apply_standings(
    pqxx::transaction_base& to, const std::string& query, const std::map<subject, standing>& changed)
{
    if (changed.empty())
        return;
    std::array<array_text, 8> columns;
    for (const auto& [who, what] : changed)
    {
        columns[0].add(to_string(who.account));
        columns[1].add(to_string(who.id));
        columns[2].add(iso_time(what.updated_at));
        columns[3].add(std::to_string(what.seq));
        columns[4].add(std::to_string(what.metadata_version));
        columns[5].add(std::to_string(what.state_version));
        columns[6].add(!what.active ? "NULL" : *what.active ? "true" : "false");
        columns[7].add(what.active ? iso_time(what.active_at) : "NULL");
    }
    to.exec_params(
        query, columns[0].take(), columns[1].take(), columns[2].take(), columns[3].take(), columns[4].take(),
        columns[5].take(), columns[6].take(), columns[7].take());
}

} // namespace consortium::postgres
