#include "erasing.hpp"
#include "families.hpp"
#include <algorithm>

/// Accounts and their devices.
namespace consortium::projections
{
namespace
{

struct account_fold
{
    using type = log::event_type;
    const log::event& happened;
    const byte_array<16>& account;
    log::view_writer& rows;

    void operator()(on<type::account_created>) const
    {
        account_row row{.created = happened.number};
        if (const auto* body = happened.as<log::account_created>())
        {
            const auto index = account_index_key(rows, body->public_key);
            row.index = to_array<16>(index);
            put_row(rows, index, account_key_row{happened.header.account});
        }
        put_row(rows, row_key(account), row);
    }
    void operator()(on<type::device_added>) const
    {
        device_row row{.id = device(), .added = happened.number, .named = happened.number};
        if (const auto* body = happened.as<log::device_added>())
        {
            row.kind = body->kind;
            put_row(rows, device_index_key(rows, happened.header.account, body->public_key), device_key_row{device()});
        }
        put_row(rows, device_key(), row);
    }
    void operator()(on<type::device_renamed>) const
    {
        change_device([&](device_row& row) { row.named = happened.number; });
    }
    void operator()(on<type::device_revoked>) const
    {
        change_device(
            [&](device_row& row)
            {
                if (!row.revoked &&
                    get_row<device_standing_row>(rows, device_key()).value_or(device_standing_row()).stated)
                    count_devices(-1);
                row.revoked = true;
                row.revoked_at = happened.header.time;
            });
    }
    void operator()(on<type::addition_stated>) const
    {
        const auto key = device_key();
        // It may be known from before there were statements.
        auto row = get_row<device_row>(rows, key).value_or(
            device_row{.id = device(), .added = happened.number, .named = happened.number});
        if (const auto said = statement())
        {
            row.kind = said->kind;
            put_row(rows, device_index_key(rows, happened.header.account, said->device), device_key_row{device()});
        }
        put_row(rows, key, row);
        change_standing(
            [&](device_standing_row& standing)
            {
                if (!standing.stated && !row.revoked)
                    count_devices(1);
                standing.stated = true;
            });
        extend_chain(/*additions=*/1);
    }
    void operator()(on<type::revocation_stated>) const
    {
        (*this)(on<type::device_revoked>());
        extend_chain(/*additions=*/0);
    }
    void operator()(on<type::device_signed_out>) const
    {
        change_standing([](device_standing_row& standing) { ++standing.sign_outs; });
    }
    void operator()(on<type::account_deleted>) const
    {
        get_row_of<account_row>(happened, rows, row_key(account));
        erase_account(rows, account);
    }

private:
    device_id device() const { return happened.header.stream.as<device_id>(); }
    /// Empty when the body was shredded.
    std::optional<device_statement> statement() const
    {
        const auto* body = happened.as<log::device_stated>();
        if (body == nullptr)
            return std::nullopt;
        auto said = parse_statement(body->statement);
        if (!said)
            corrupt_event(happened, "holds what is no statement: " + said.error().detail);
        return *said;
    }
    void count_devices(int more) const
    {
        auto totals = get_row_of<totals_row>(happened, rows, row_key(account));
        totals.devices += static_cast<std::uint64_t>(more);
        put_row(rows, row_key(account), totals);
    }
    void change_standing(auto&& change) const
    {
        const auto key = device_key();
        auto standing = get_row<device_standing_row>(rows, key).value_or(device_standing_row());
        change(standing);
        put_row(rows, key, standing);
    }
    /// By the event's statement.
    void extend_chain(std::uint64_t additions) const
    {
        auto chain = get_row<device_chain_row>(rows, row_key(account)).value_or(device_chain_row());
        ++chain.statements;
        chain.additions += additions;
        put_row(rows, row_key(account), chain);
        const auto* body = happened.as<log::device_stated>();
        put_row(
            rows, row_key(account, chain.statements),
            statement_row{happened.number, body != nullptr ? statement_hash(body->statement) : byte_array<32>{}});
    }
    row_key device_key() const { return device_row_key(rows, happened.header.account, device()); }
    void change_device(auto&& change) const
    {
        const auto key = device_key();
        auto row = get_row_of<device_row>(happened, rows, key);
        change(row);
        put_row(rows, key, row);
    }
};

result<device_view> read_device(const log::snapshot& at, account_id account, const device_row& row)
{
    device_view out{
        .id = row.id,
        .account = account,
        .public_key = {},
        .kind = row.kind,
        .created_at = 0,
        .revoked_at = row.revoked ? std::optional(row.revoked_at) : std::nullopt};
    const auto standing = get_row<device_standing_row>(at, device_row_key(at, account, row.id));
    if (standing)
    {
        out.stated = standing->stated;
        out.sign_outs = standing->sign_outs;
    }
    const auto added = read_event(at, row.added);
    if (!added)
        return std::unexpected(added.error());
    out.created_at = added->header.time;
    if (const auto* body = added->as<log::device_stated>())
    {
        const auto said = parse_statement(body->statement);
        if (!said)
            return fail(errc::corrupt, "record " + std::to_string(row.added.value) + ": " + said.error().detail);
        out.public_key = to_bytes(said->device);
        return out;
    }
    const auto* body = added->as<log::device_added>();
    if (body == nullptr)
        return fail(errc::corrupt, "record " + std::to_string(row.added.value) + " does not add a device");
    out.public_key = body->public_key;
    return out;
}

} // namespace

std::optional<known_device> device_of_id(const log::view_reader& rows, account_id account, device_id device)
{
    const auto key = device_row_key(rows, account, device);
    const auto row = get_row<device_row>(rows, key);
    if (!row)
        return std::nullopt;
    return known_device{device, *row, get_row<device_standing_row>(rows, key).value_or(device_standing_row())};
}

std::optional<known_device> device_of_key(const log::view_reader& rows, account_id account, byte_view public_key)
{
    const auto index = get_row<device_key_row>(rows, device_index_key(rows, account, public_key));
    if (!index)
        return std::nullopt;
    auto known = device_of_id(rows, account, index->device);
    if (!known)
        corrupt_row(table::device_key, "names a device that does not exist");
    return known;
}

std::size_t delete_account::size() const
{
    return sizeof(*this);
}

result<log::decision> delete_account::decide(const log::view_reader& rows, unix_millis)
{
    if (auto reached = reach_account(rows, who, account_target::end, intent::settle); !reached)
        return std::unexpected(reached.error());

    auto end = draft_of(log::event_type::account_deleted, who.account, who.account.as<stream_id>());
    const auto own_keys = end.destroys.size();
    deleted = rules().last_revision(rows, who.account).next();
    const auto prefix = account_part(rows, who.account);
    scan_rows<session_row>(
        rows, prefix,
        [&](byte_view, const session_row& row)
        {
            end.destroys.push_back(row.id.as<key_id>());
            return true;
        });
    sessions = end.destroys.size() - own_keys;
    scan_rows<machine_row>(
        rows, prefix,
        [&](byte_view, const machine_row& row)
        {
            end.destroys.push_back(row.id.as<key_id>());
            return true;
        });
    machines = end.destroys.size() - own_keys - sessions;
    scan_rows<invitation_of_row>(
        rows, prefix,
        [&](byte_view, const invitation_of_row& row)
        {
            end.destroys.push_back(row.id.as<key_id>());
            return true;
        });
    log::decision out{.account = who.account, .drafts = {}};
    out.drafts.push_back(std::move(end));
    return out;
}

void fold_account(const log::event& happened, const byte_array<16>& account, log::view_writer& rows)
{
    apply<log::event_subject::account, log::event_subject::device>(happened, account_fold{happened, account, rows});
}

result<account_view> find_account(const log::snapshot& at, account_id account)
{
    return guarded(
        [&]() -> result<account_view>
        {
            const auto row = get_row<account_row>(at, account_row_key(at, account));
            if (!row)
                return fail(errc::not_found, "no such account");
            const auto created = read_event_of<log::account_created>(at, row->created);
            if (!created)
                return std::unexpected(created.error());
            return account_view{
                .id = account,
                .public_key = created->as<log::account_created>()->public_key,
                .last = rules().last_revision(at, account),
                .created_at = created->header.time};
        });
}

result<device_view> find_device(const log::snapshot& at, account_id account, device_id device)
{
    return guarded(
        [&]() -> result<device_view>
        {
            const auto row = get_row<device_row>(at, device_row_key(at, account, device));
            if (!row)
                return fail(errc::not_found, "no device with this id");
            return read_device(at, account, *row);
        });
}

result<std::vector<device_view>> list_devices(const log::snapshot& at, account_id account)
{
    return guarded(
        [&]() -> result<std::vector<device_view>>
        {
            std::vector<device_row> rows;
            scan_rows<device_row>(
                at, account_part(at, account),
                [&](byte_view, const device_row& row)
                {
                    rows.push_back(row);
                    return true;
                });
            std::ranges::sort(rows, {}, &device_row::added);
            std::vector<device_view> out;
            out.reserve(rows.size());
            for (const auto& row : rows)
            {
                auto device = read_device(at, account, row);
                if (!device)
                    return std::unexpected(device.error());
                out.push_back(std::move(*device));
            }
            return out;
        });
}

} // namespace consortium::projections
