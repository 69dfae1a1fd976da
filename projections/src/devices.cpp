#include "families.hpp"
#include <algorithm>

/// The chain of an account's devices, and who may sign in.
namespace consortium::projections
{
namespace
{

/// The chain as it will be after what was appended so far, of rows that do not know that yet.
class growing_chain
{
public:
    growing_chain(const log::view_reader& rows, account_id account, const ed25519_public& account_key)
        : rows_(rows), account_(account), account_key_(account_key)
    {
        const auto row = get_row<device_chain_row>(rows, account_row_key(rows, account));
        if (!row)
            return;
        stored_ = row->statements;
        head_ = {.n = row->statements, .hash = hash_of(row->statements), .additions = row->additions};
    }

    /// Whether the chain has this very statement at its place.
    bool has(byte_view statement) const
    {
        const auto said = parse_statement(statement);
        if (!said || said->n > head_.n)
            return false;
        const auto hash = statement_hash(statement);
        return said->n <= stored_ ? hash == hash_of(said->n) : hash == hashes_[said->n - stored_ - 1];
    }

    /// Checks it and makes its event. Errors as check_next().
    result<log::draft> append(byte_view statement, device_id new_device)
    {
        const auto said =
            check_next(statement, account_, account_key_, head_, [&](const ed25519_public& key) { return find(key); });
        if (!said)
            return std::unexpected(said.error());
        head_ = head_after(head_, *said, statement);
        hashes_.push_back(head_.hash);
        const bool adds = said->action == statement_action::add;
        auto& about = fresh_[said->device];
        if (about.id.is_nil())
            about.id = device_for(*said, new_device);
        about.said = {.kind = said->kind, .revoked = !adds};
        return draft_of(
            adds ? log::event_type::addition_stated : log::event_type::revocation_stated, account_,
            about.id.as<stream_id>(), log::device_stated{to_bytes(statement)});
    }

private:
    struct fresh_device
    {
        device_id id;
        stated_device said;
    };

    byte_array<32> hash_of(std::uint64_t n) const
    {
        const auto row = get_row<statement_row>(rows_, row_key(account_part(rows_, account_), n));
        if (!row)
            corrupt_row(table::device_chain, "counts a statement that is not there");
        return row->hash;
    }
    std::optional<stated_device> find(const ed25519_public& key) const
    {
        if (const auto fresh = fresh_.find(key); fresh != fresh_.end())
            return fresh->second.said;
        return find_stated(rows_, account_, key);
    }
    /// A device that an older version stored without a statement, and that was not revoked, stays the same device: what
    /// it made is still its own.
    device_id device_for(const device_statement& said, device_id new_device) const
    {
        const auto known = device_of_key(rows_, account_, said.device);
        const bool goes_on = known && (known->standing.stated || (!known->row.revoked && known->row.kind == said.kind));
        return goes_on ? known->id : new_device;
    }

    const log::view_reader& rows_;
    account_id account_;
    ed25519_public account_key_;
    std::uint64_t stored_ = 0;
    chain_head head_;
    std::vector<byte_array<32>> hashes_; // of what was appended
    std::map<ed25519_public, fresh_device> fresh_;
};

/// A device_added of a device that gives no key.
log::draft unnamed_device_draft(account_id account, device_id device)
{
    return draft_of(
        log::event_type::device_added, account, device.as<stream_id>(),
        log::device_added{.public_key = {}, .kind = device_kind::unnamed, .sealed_name = {}});
}

bool is_key_of(const log::view_reader& rows, account_id account, const ed25519_public& account_key)
{
    const auto known = get_row<account_key_row>(rows, account_index_key(rows, account_key));
    return known && known->account == account;
}

} // namespace

std::optional<stated_device> find_stated(const log::view_reader& rows, account_id account, const ed25519_public& key)
{
    const auto known = device_of_key(rows, account, key);
    if (!known || !known->standing.stated)
        return std::nullopt;
    return stated_device{.kind = known->row.kind, .revoked = known->row.revoked};
}

account_id sign_in::account() const
{
    return {};
}

std::size_t sign_in::size() const
{
    return sizeof(*this) + (device ? device->statement.size() : 0);
}

result<log::decision> sign_in::decide(const log::view_reader& rows, unix_millis now)
{
    shows_chain = false;
    const auto known = get_row<account_key_row>(rows, account_index_key(rows, account_key));
    if (expected && (!known || known->account != *expected))
        return fail(errc::not_found, "this account is not here any more");
    found_account = known ? known->account : new_account;
    log::decision out{.account = found_account, .drafts = {}};
    if (!known)
    {
        if (device && !create)
            return fail(errc::not_found, "no account has this key");
        auto admitted = admit_registration(rows, new_account, allowed, invitation, now);
        if (!admitted)
            return std::unexpected(admitted.error());
        out.drafts.push_back(draft_of(
            log::event_type::account_created, new_account, new_account.as<stream_id>(),
            log::account_created{account_key}));
        if (*admitted)
            out.drafts.push_back(std::move(**admitted));
    }
    return device ? decide_named(rows, std::move(out), !known) : decide_unnamed(rows, std::move(out));
}

result<log::decision> sign_in::decide_unnamed(const log::view_reader& rows, log::decision made)
{
    found_kind = device_kind::unnamed;
    // Clients without a device key cannot make another one: revoking it ended the tokens they held.
    if (const auto unnamed = device_of_key(rows, found_account, {}); unnamed && !unnamed->row.revoked)
    {
        found_device = unnamed->id;
        sign_outs = unnamed->standing.sign_outs;
        return made;
    }
    found_device = new_device;
    sign_outs = 0;
    made.drafts.push_back(unnamed_device_draft(found_account, new_device));
    return made;
}

result<log::decision> sign_in::decide_named(const log::view_reader& rows, log::decision made, bool is_new)
{
    found_kind = device->kind;
    if (const auto stated = find_stated(rows, found_account, device->key))
    {
        if (stated->revoked)
            return fail(errc::revoked, "this device was revoked");
        if (stated->kind != device->kind)
            return fail(errc::conflict, "the account has this device as another kind");
        const auto known = device_of_key(rows, found_account, device->key);
        found_device = known->id;
        sign_outs = known->standing.sign_outs;
        return made;
    }
    if (device->statement.empty())
    {
        shows_chain = true;
        return fail(errc::conflict, "the account's chain does not name this device: a statement must add it");
    }
    const auto said = parse_statement(device->statement);
    if (!said)
        return std::unexpected(said.error());
    if (said->action != statement_action::add || said->device != device->key || said->kind != device->kind)
        return fail(errc::bad_request, "the statement does something else than add this device");
    growing_chain chain(rows, found_account, account_key);
    auto added = chain.append(device->statement, new_device);
    if (!added)
    {
        shows_chain = added.error() == errc::conflict;
        return std::unexpected(added.error());
    }
    found_device = added->stream.as<device_id>();
    const auto before = is_new ? std::nullopt : device_of_id(rows, found_account, found_device);
    sign_outs = before ? before->standing.sign_outs : 0;
    made.drafts.push_back(std::move(*added));
    return made;
}

account_id append_statements::account() const
{
    return of;
}

std::size_t append_statements::size() const
{
    std::size_t total = sizeof(*this);
    for (const auto& one : items)
        total += sizeof(one) + one.statement.size();
    return total;
}

result<log::decision> append_statements::decide(const log::view_reader& rows, unix_millis)
{
    if (!is_key_of(rows, of, account_key))
        return fail(errc::not_found, "no such account");
    if (items.size() > limits::statements_per_chain_max)
        return fail(
            errc::too_large, std::to_string(items.size()) + " statements at once; the limit is " +
                                 std::to_string(limits::statements_per_chain_max));
    log::decision out{.account = of, .drafts = {}};
    growing_chain chain(rows, of, account_key);
    for (const auto& one : items)
    {
        if (chain.has(one.statement))
            continue;
        auto next = chain.append(one.statement, one.new_device);
        if (!next)
            return std::unexpected(next.error());
        out.drafts.push_back(std::move(*next));
    }
    return out;
}

std::size_t sign_out::size() const
{
    return sizeof(*this);
}

result<log::decision> sign_out::decide(const log::view_reader& rows, unix_millis)
{
    if (auto reached = reach_account(rows, who, account_target::devices, intent::settle); !reached)
        return std::unexpected(reached.error());
    const auto device = device_of_id(rows, who.account, who.device);
    sign_outs = device->standing.sign_outs + 1;
    return log::decision{
        .account = who.account,
        .drafts = {draft_of(log::event_type::device_signed_out, who.account, who.device.as<stream_id>())}};
}

result<device_brief> find_device_brief(const log::snapshot& at, account_id account, device_id device)
{
    return guarded(
        [&]() -> result<device_brief>
        {
            const auto known = device_of_id(at, account, device);
            if (!known)
                return fail(errc::not_found, "no device with this id");
            return device_brief{
                .kind = known->row.kind,
                .revoked = known->row.revoked,
                .stated = known->standing.stated,
                .sign_outs = known->standing.sign_outs};
        });
}

result<device_view> find_stated_device(const log::snapshot& at, account_id account, const ed25519_public& key)
{
    return guarded(
        [&]() -> result<device_view>
        {
            const auto known = device_of_key(at, account, key);
            if (!known || !known->standing.stated)
                return fail(errc::not_found, "the account's chain does not name this device");
            return find_device(at, account, known->id);
        });
}

result<std::vector<bytes>> list_statements(const log::snapshot& at, account_id account, std::uint64_t first)
{
    return guarded(
        [&]() -> result<std::vector<bytes>>
        {
            const auto part = account_part(at, account);
            std::vector<lsn> numbers;
            at.scan(
                static_cast<log::table_id>(statement_row::where), part, row_key(part, first),
                [&](byte_view, byte_view value)
                {
                    numbers.push_back(parse_row<statement_row>(value).stated);
                    return true;
                });
            std::vector<bytes> out;
            out.reserve(numbers.size());
            for (const auto number : numbers)
            {
                const auto stated = read_event_of<log::device_stated>(at, number);
                if (!stated)
                    return std::unexpected(stated.error());
                out.push_back(stated->as<log::device_stated>()->statement);
            }
            return out;
        });
}

result<chain_head> find_chain_head(const log::snapshot& at, account_id account)
{
    return guarded(
        [&]() -> result<chain_head>
        {
            const auto part = account_part(at, account);
            const auto chain = get_row<device_chain_row>(at, row_key(part));
            if (!chain)
                return chain_head{};
            const auto last = get_row<statement_row>(at, row_key(part, chain->statements));
            if (!last)
                corrupt_row(table::device_chain, "counts a statement that is not there");
            return chain_head{.n = chain->statements, .hash = last->hash, .additions = chain->additions};
        });
}

} // namespace consortium::projections
