#include "erasing.hpp"
#include "families.hpp"
#include <algorithm>

namespace consortium::projections
{
namespace
{

/// 0: nobody ever took the session's lease.
revision epoch_of(const log::view_reader& rows, const row_key& session)
{
    const auto lease = get_row<session_lease_row>(rows, session);
    return lease ? lease->epoch : revision{};
}

/// errc::version_mismatch unless the field `which` is at `expected`; `current` gets what is.
result<void> check_version(
    const log::view_reader& rows, const principal& who, session_id session, const std::optional<revision>& epoch,
    revision expected, versioned_value session_row::* which, versioned_value& current)
{
    const auto key = session_row_key(rows, who.account, session);
    if (auto reached = reach_written(rows, who, key, epoch); !reached)
        return std::unexpected(reached.error());
    const auto row = get_row<session_row>(rows, key);
    if (!row)
        corrupt_row(table::session_hot, "is of a session that does not exist");
    current = (*row).*which;
    if (current.version != expected)
        return fail(
            errc::version_mismatch, "expected version " + std::to_string(expected.value) + "; the current one is " +
                                        std::to_string(current.version.value));
    return {};
}

/// errc::bad_request names what is wrong with it.
result<void>
check_proof(const log::view_reader& rows, account_id account, session_id session, const signed_deletion& proof)
{
    const auto device = find_stated(rows, account, proof.device);
    if (!device)
        return fail(errc::bad_request, "the deletion is signed by a device that the account's chain does not name");
    if (device->revoked)
        return fail(errc::bad_request, "the deletion is signed by a device that was revoked");
    if (device->kind != device_kind::browser)
        return fail(errc::bad_request, "the deletion is signed by a device that is no browser");
    if (!is_deletion_of(proof, account, session))
        return fail(errc::bad_request, "the deletion is not signed by the device it names, for this session");
    return {};
}

struct session_fold
{
    using type = log::event_type;
    const log::event& happened;
    const row_key& key;
    log::view_writer& rows;

    void operator()(on<type::session_created>) const
    {
        const auto& header = happened.header;
        const auto session = header.stream.as<session_id>();
        session_row row{
            .id = session,
            .created = happened.number,
            .metadata = {header.rev, happened.number},
            .agent_state = {},
            .has_tag = false};
        session_hot_row hot{.seq = 0, .updated_at = header.time, .active = false, .active_at = 0, .creator = {}};
        if (const auto* body = happened.as<log::session_created>())
        {
            hot.creator = body->creator;
            row.has_tag = true;
            row.tag = tag_part(rows, header.account, body->tag);
            put_row(rows, row_key(key.prefix(), row.tag), session_tag_row{session});
        }
        set_active(hot, /*active=*/true);
        put_row(rows, key, row);
        put_row(rows, key, hot);
    }
    void operator()(on<type::message_appended>) const { fold_message(happened, key, rows); }
    void operator()(on<type::session_metadata_changed>) const { change_value(&session_row::metadata); }
    void operator()(on<type::agent_state_changed>) const { change_value(&session_row::agent_state); }
    void operator()(on<type::session_ended>) const { change_active(/*active=*/false); }
    void operator()(on<type::session_resumed>) const { change_active(/*active=*/true); }
    void operator()(on<type::session_leased>) const
    {
        change_hot([](session_hot_row&) {});
        put_row(rows, key, session_lease_row{happened.header.rev});
    }
    void operator()(on<type::session_deleted>) const
    {
        get_row_of<session_row>(happened, rows, key);
        erase_session(rows, key);
    }
    void operator()(on<type::session_deletion_signed>) const
    {
        (*this)(on<type::session_deleted>());
        put_row(rows, key, deleted_session_row{happened.number});
    }

private:
    void set_active(session_hot_row& hot, bool active) const
    {
        hot.active = active;
        hot.active_at = happened.header.time;
        if (active)
            put_row(rows, key, active_row{happened.header.account, /*is_machine=*/false, happened.header.stream.value});
        else
            erase_row<active_row>(rows, key);
    }
    void change_hot(auto&& change) const
    {
        auto hot = get_row_of<session_hot_row>(happened, rows, key);
        // A clock that stepped back must not move a session down the list.
        hot.updated_at = std::max(hot.updated_at, happened.header.time);
        change(hot);
        put_row(rows, key, hot);
    }
    void change_value(versioned_value session_row::* which) const
    {
        change_hot([](session_hot_row&) {});
        auto row = get_row_of<session_row>(happened, rows, key);
        row.*which = {happened.header.rev, happened.number};
        put_row(rows, key, row);
    }
    void change_active(bool active) const
    {
        change_hot([&](session_hot_row& hot) { set_active(hot, active); });
    }
};

result<session_view> read_session(const log::snapshot& at, const session_row& row, const session_hot_row& hot)
{
    const auto created = read_event_of<log::session_created>(at, row.created);
    if (!created)
        return std::unexpected(created.error());
    const auto& body = *created->as<log::session_created>();
    session_view out{
        .id = row.id,
        .creator = hot.creator,
        .seq = hot.seq,
        .created_at = created->header.time,
        .updated_at = hot.updated_at,
        .active = hot.active,
        .active_at = hot.active_at,
        .metadata = body.metadata,
        .metadata_version = row.metadata.version,
        .agent_state = {},
        .agent_state_version = row.agent_state.version,
        .data_key = body.data_key};
    if (row.metadata.where != row.created)
    {
        auto metadata = value_at(at, row.metadata.where, field::metadata);
        if (!metadata)
            return std::unexpected(metadata.error());
        out.metadata = metadata->value_or("");
    }
    auto state = value_at(at, row.agent_state.where, field::state);
    if (!state)
        return std::unexpected(state.error());
    out.agent_state = std::move(*state);
    return out;
}

} // namespace

result<session_hot_row> reach_written(
    const log::view_reader& rows, const principal& who, const row_key& session, const std::optional<revision>& epoch)
{
    auto hot = reach_session(rows, who, session, intent::write);
    // The rule of docs/protocol.md 3.4: a device that names a lease is held to it, and the session's own device, which
    // alone may have taken it, to none where it names none.
    if (!hot || (!epoch && hot->creator != who.device))
        return hot;
    const auto named = epoch.value_or(revision{});
    if (const auto current = epoch_of(rows, session); named != current)
        return fail(
            errc::stale_epoch, "written under the lease " + std::to_string(named.value) + "; the session's is " +
                                   std::to_string(current.value));
    return hot;
}

std::size_t create_session::size() const
{
    return sizeof(*this) + tag.size() + metadata.size() + (data_key ? data_key->size() : 0);
}

result<log::decision> create_session::decide(const log::view_reader& rows, unix_millis)
{
    created = false;
    if (auto fits = check_text("tag", tag.size(), 1, limits::name_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto fits = check_text("metadata", metadata.size(), 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto fits = check_text("dataEncryptionKey", data_key ? data_key->size() : 0, 0, limits::data_key_bytes_max);
        !fits)
        return std::unexpected(fits.error());
    if (auto reached = reach_account(rows, who, account_target::contents, intent::settle); !reached)
        return std::unexpected(reached.error());

    log::decision out{.account = who.account, .drafts = {}};
    const row_key tag_key(account_part(rows, who.account), tag_part(rows, who.account, tag));
    if (const auto known = get_row<session_tag_row>(rows, tag_key))
    {
        const auto hot = reach_session(rows, who, session_row_key(rows, who.account, known->session), intent::write);
        if (!hot)
            return std::unexpected(hot.error());
        session = known->session;
        if (!hot->active)
            out.drafts.push_back(draft_of(log::event_type::session_resumed, who.account, session.as<stream_id>()));
        return out;
    }
    session = new_session;
    created = true;
    out.drafts.push_back(draft_of(
        log::event_type::session_created, who.account, session.as<stream_id>(),
        log::session_created{who.device, tag, metadata, data_key}));
    return out;
}

std::size_t change_session_metadata::size() const
{
    return sizeof(*this) + metadata.size();
}

result<log::decision> change_session_metadata::decide(const log::view_reader& rows, unix_millis)
{
    if (auto fits = check_text("metadata", metadata.size(), 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto good = check_version(rows, who, session, epoch, expected, &session_row::metadata, current); !good)
        return std::unexpected(good.error());
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(
            log::event_type::session_metadata_changed, who.account, session.as<stream_id>(),
            log::session_metadata_changed{metadata})}};
}

std::size_t change_agent_state::size() const
{
    return sizeof(*this) + (state ? state->size() : 0);
}

result<log::decision> change_agent_state::decide(const log::view_reader& rows, unix_millis)
{
    if (auto fits = check_text("agentState", state ? state->size() : 0, 0, limits::state_bytes_max); !fits)
        return std::unexpected(fits.error());
    if (auto good = check_version(rows, who, session, epoch, expected, &session_row::agent_state, current); !good)
        return std::unexpected(good.error());
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(
            log::event_type::agent_state_changed, who.account, session.as<stream_id>(),
            log::agent_state_changed{state})}};
}

std::size_t set_session_active::size() const
{
    return sizeof(*this);
}

result<log::decision> set_session_active::decide(const log::view_reader& rows, unix_millis)
{
    const auto hot = reach_session(rows, who, session_row_key(rows, who.account, session), intent::write);
    if (!hot)
        return std::unexpected(hot.error());
    log::decision out{.account = who.account, .drafts = {}};
    if (hot->active != active)
        out.drafts.push_back(draft_of(
            active ? log::event_type::session_resumed : log::event_type::session_ended, who.account,
            session.as<stream_id>()));
    return out;
}

std::size_t lease_session::size() const
{
    return sizeof(*this);
}

result<log::decision> lease_session::decide(const log::view_reader& rows, unix_millis)
{
    const auto key = session_row_key(rows, who.account, session);
    if (auto reached = reach_session(rows, who, key, intent::lease); !reached)
        return std::unexpected(reached.error());
    current = epoch_of(rows, key);
    if (expected && *expected != current)
        return fail(
            errc::version_mismatch, "expected the lease " + std::to_string(expected->value) + "; the session's is " +
                                        std::to_string(current.value));
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(log::event_type::session_leased, who.account, session.as<stream_id>())}};
}

std::size_t delete_session::size() const
{
    return sizeof(*this);
}

result<log::decision> delete_session::decide(const log::view_reader& rows, unix_millis)
{
    const auto prefix = account_part(rows, who.account);
    const row_key key(prefix, session_part(rows, who.account, session));
    const auto hot = reach_session(rows, who, key, intent::settle);
    if (!hot)
        return std::unexpected(hot.error());
    if (proof)
        if (auto good = check_proof(rows, who.account, session, *proof); !good)
            return std::unexpected(good.error());
    const auto row = get_row<session_row>(rows, key);
    if (!row)
        corrupt_row(table::session_hot, "is of a session that does not exist");
    created = revision_of(rows, prefix, row->created);
    deleted = rules().last_revision(rows, who.account).next();
    messages = hot->seq;

    const auto stream = session.as<stream_id>();
    auto end = proof ? draft_of(
                           log::event_type::session_deletion_signed, who.account, stream,
                           log::session_deletion_signed{proof->device, proof->signature})
                     : draft_of(log::event_type::session_deleted, who.account, stream);
    return log::decision{.account = who.account, .drafts = {std::move(end)}};
}

void fold_session(const log::event& happened, const byte_array<16>& account, log::view_writer& rows)
{
    const auto session = happened.header.stream.as<session_id>();
    const row_key key(account, session_part(rows, happened.header.account, session));
    apply<log::event_subject::session>(happened, session_fold{happened, key, rows});
}

result<session_view> find_session(const log::snapshot& at, account_id account, session_id session)
{
    return guarded(
        [&]() -> result<session_view>
        {
            const auto key = session_row_key(at, account, session);
            const auto row = get_row<session_row>(at, key);
            const auto hot = get_row<session_hot_row>(at, key);
            if (!row || !hot)
                return fail(errc::not_found, "no session with this id");
            return read_session(at, *row, *hot);
        });
}

namespace
{

struct session_rows
{
    bytes key;
    session_hot_row hot;
    session_row row;
};

/// As many of them, in their order, as a page takes.
result<session_page> read_page(const log::snapshot& at, std::span<const session_rows> from, std::size_t count_max)
{
    session_page out;
    std::size_t size = 0;
    for (const auto& one : from)
    {
        if (out.sessions.size() == count_max || size >= limits::list_bytes_max)
        {
            out.has_more = true;
            break;
        }
        auto session = read_session(at, one.row, one.hot);
        if (session)
        {
            size += session->metadata.size() + (session->agent_state ? session->agent_state->size() : 0);
            out.sessions.push_back(std::move(*session));
        }
        else if (session.error() != errc::not_found)
            return std::unexpected(session.error());
    }
    return out;
}

} // namespace

result<session_page> list_sessions(const log::snapshot& at, account_id account, std::size_t count_max)
{
    return guarded(
        [&]() -> result<session_page>
        {
            std::vector<session_rows> found;
            scan_rows<session_hot_row>(
                at, account_part(at, account),
                [&](byte_view key, const session_hot_row& hot)
                {
                    found.push_back({to_bytes(key), hot, {}});
                    return true;
                });
            // One cheap row each decides who comes in question: the newest, whoever is as new as the last of them, and
            // one more, which tells that there are others.
            std::ranges::sort(found, std::greater{}, [](const session_rows& one) { return one.hot.updated_at; });
            auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(count_max, found.size()));
            while (end != found.begin() && end != found.end() && end->hot.updated_at == (end - 1)->hot.updated_at)
                ++end;
            if (end != found.end())
                ++end;
            found.erase(end, found.end());
            for (auto& one : found)
            {
                const auto row = get_row<session_row>(at, one.key);
                if (!row)
                    corrupt_row(table::session_hot, "is of a session that does not exist");
                one.row = *row;
            }
            std::ranges::sort(
                found, std::greater{},
                [](const session_rows& one) { return std::pair(one.hot.updated_at, one.row.id); });
            return read_page(at, found, count_max);
        });
}

result<session_page> sessions_before(
    const log::snapshot& at, account_id account, std::optional<session_id> before, unix_millis changed_since,
    std::size_t count_max)
{
    return guarded(
        [&]() -> result<session_page>
        {
            std::vector<session_rows> older;
            scan_rows<session_row>(
                at, account_part(at, account),
                [&](byte_view key, const session_row& row)
                {
                    if (!before || row.id < *before)
                        older.push_back({to_bytes(key), {}, row});
                    return true;
                });
            std::ranges::sort(older, std::greater{}, [](const session_rows& one) { return one.row.id; });
            // A page of an account with many sessions reads the second row of its own alone, and of one more, which
            // tells that there are others.
            std::vector<session_rows> found;
            for (auto at_hand = older.begin(); at_hand != older.end() && found.size() <= count_max; ++at_hand)
            {
                const auto hot = get_row<session_hot_row>(at, at_hand->key);
                if (!hot)
                    corrupt_row(table::session, "has no row of what messages rewrite");
                at_hand->hot = *hot;
                if (hot->updated_at >= changed_since)
                    found.push_back(std::move(*at_hand));
            }
            return read_page(at, found, count_max);
        });
}

result<signed_deletion> find_deletion(const log::snapshot& at, account_id account, session_id session)
{
    return guarded(
        [&]() -> result<signed_deletion>
        {
            const auto row = get_row<deleted_session_row>(at, session_row_key(at, account, session));
            if (!row)
                return fail(errc::not_found, "no signed deletion of this session");
            const auto deleted = read_event_of<log::session_deletion_signed>(at, row->deleted);
            if (!deleted)
                return std::unexpected(deleted.error());
            const auto& body = *deleted->as<log::session_deletion_signed>();
            return signed_deletion{body.device, body.signature};
        });
}

result<session_brief> find_session_brief(const log::snapshot& at, account_id account, session_id session)
{
    return guarded(
        [&]() -> result<session_brief>
        {
            const auto hot = get_row<session_hot_row>(at, session_row_key(at, account, session));
            if (!hot)
                return fail(errc::not_found, "no session with this id");
            return session_brief{
                .creator = hot->creator, .active = hot->active, .active_at = hot->active_at, .seq = hot->seq};
        });
}

} // namespace consortium::projections
