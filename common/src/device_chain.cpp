#include "consortium/common/device_chain.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>

namespace consortium
{
namespace
{

// docs/protocol.md 2.3.
constexpr std::string_view label = "consortium device statement 1\n";
constexpr std::size_t signature_bytes = 64;
constexpr std::size_t fixed_bytes = label.size() + 16 + 8 + 32 + 1 + 32 + 1 + 8 + 2 + signature_bytes;
constexpr std::uint64_t time_end = std::uint64_t{1} << 53;

auto refuse(const char* rule)
{
    return fail(errc::bad_request, std::string("a device statement ") + rule);
}

/// Reads what the caller knows to be there.
class cursor
{
public:
    explicit cursor(byte_view data) : rest_(data) {}

    byte_view take(std::size_t count)
    {
        const auto out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }
    template <class T>
    T number()
    {
        return load_big_endian<T>(take(sizeof(T)));
    }

private:
    byte_view rest_;
};

bytes unsigned_bytes(const device_statement& what)
{
    bytes out;
    out.reserve(fixed_bytes + what.sealed_name.size());
    append(out, label);
    append(out, what.account.view());
    append(out, big_endian(what.n));
    append(out, what.previous);
    out.push_back(static_cast<std::uint8_t>(what.action));
    append(out, what.device);
    out.push_back(static_cast<std::uint8_t>(what.kind));
    append(out, big_endian(static_cast<std::uint64_t>(what.time)));
    append(out, big_endian(static_cast<std::uint16_t>(what.sealed_name.size())));
    append(out, what.sealed_name);
    return out;
}

} // namespace

result<device_statement> parse_statement(byte_view statement)
{
    if (statement.size() < fixed_bytes)
        return refuse("is too short");
    if (statement.size() > fixed_bytes + limits::statement_name_bytes_max)
        return refuse("is too long");
    cursor from(statement);
    if (text(from.take(label.size())) != label)
        return refuse("does not begin as one");
    device_statement out;
    out.account.value = to_array<16>(from.take(16));
    out.n = from.number<std::uint64_t>();
    out.previous = to_array<32>(from.take(32));
    const auto action = from.number<std::uint8_t>();
    out.device = to_array<32>(from.take(32));
    const auto kind = from.number<std::uint8_t>();
    const auto time = from.number<std::uint64_t>();
    const auto name_bytes = from.number<std::uint16_t>();
    if (statement.size() != fixed_bytes + name_bytes)
        return refuse("is not as long as it says");
    out.sealed_name = to_bytes(from.take(name_bytes));
    out.signature = to_array<signature_bytes>(from.take(signature_bytes));

    if (out.n == 0)
        return refuse("has the number 0");
    if (action != 1 && action != 2)
        return refuse("neither adds nor revokes");
    out.action = static_cast<statement_action>(action);
    if (kind != 1 && kind != 2)
        return refuse("names a device of no known kind");
    out.kind = static_cast<device_kind>(kind);
    if (time >= time_end)
        return refuse("has a time out of range");
    out.time = static_cast<unix_millis>(time);
    const bool adds = out.action == statement_action::add;
    if (adds && (name_bytes < limits::statement_name_bytes_min || name_bytes > limits::statement_name_bytes_max))
        return refuse("has a sealed name of a wrong length");
    if (!adds && name_bytes != 0)
        return refuse("revokes and has a name");
    if (!ed25519_is_usable(out.device))
        return refuse("names a device by a key that signs nothing");
    return out;
}

bytes sign_statement(const ed25519_key& account_key, const device_statement& what)
{
    auto out = unsigned_bytes(what);
    append(out, account_key.sign(out));
    CONSORTIUM_ASSERT(parse_statement(out));
    return out;
}

byte_array<32> statement_hash(byte_view statement)
{
    return sha256({statement});
}

result<device_statement> check_next(
    byte_view statement, const account_id& account, const ed25519_public& account_key, const chain_head& head,
    const stated_device_lookup& find)
{
    auto said = parse_statement(statement);
    if (!said)
        return said;
    if (said->account != account)
        return refuse("is of another account");
    if (!ed25519_verify(account_key, statement.first(statement.size() - signature_bytes), said->signature))
        return refuse("is not signed by the account");
    if (said->n != head.n + 1)
        return fail(errc::conflict, "a device statement has another number than the next");
    if (said->previous != head.hash)
        return fail(errc::conflict, "a device statement follows another one than the last");
    const auto known = find(said->device);
    if (said->action == statement_action::add)
    {
        if (known)
            return refuse(known->revoked ? "adds a device that was revoked" : "adds a device twice");
        if (head.additions >= limits::device_additions_max)
            return refuse("adds more devices than an account may have");
        return said;
    }
    if (!known)
        return refuse("revokes a device that was never added");
    if (known->revoked)
        return refuse("revokes a device twice");
    if (known->kind != said->kind)
        return refuse("revokes a device as another kind than it was added");
    return said;
}

chain_head head_after(const chain_head& head, const device_statement& next, byte_view statement)
{
    return {next.n, statement_hash(statement), head.additions + (next.action == statement_action::add ? 1u : 0u)};
}

result<void> device_chain::append(byte_view statement)
{
    const auto next =
        check_next(statement, account_, account_key_, head_, [this](const ed25519_public& key) { return find(key); });
    if (!next)
        return std::unexpected(next.error());
    devices_[next->device] = {next->kind, next->action == statement_action::revoke};
    head_ = head_after(head_, *next, statement);
    statements_.push_back(to_bytes(statement));
    return {};
}

result<void> device_chain::append(std::span<const bytes> statements)
{
    for (const auto& each : statements)
    {
        if (auto done = append(byte_view(each)); !done)
            return done;
    }
    return {};
}

std::optional<stated_device> device_chain::find(const ed25519_public& key) const
{
    const auto found = devices_.find(key);
    return found == devices_.end() ? std::nullopt : std::optional(found->second);
}

bool device_chain::holds(std::uint64_t n, const byte_array<32>& hash) const
{
    return n >= 1 && n <= statements_.size() && statement_hash(statements_[n - 1]) == hash;
}

result<bool> device_set::learn(std::span<const bytes> statements)
{
    const auto fresh =
        std::ranges::any_of(statements, [this](const bytes& each) { return !by_hash_.contains(statement_hash(each)); });
    if (!fresh)
        return false;
    auto wider = *this;
    for (const auto& each : statements)
    {
        if (const auto taken = wider.take(each); !taken)
            return std::unexpected(taken.error());
    }
    *this = std::move(wider);
    return true;
}

result<void> device_set::take(byte_view statement)
{
    const auto hash = statement_hash(statement);
    if (by_hash_.contains(hash))
        return {};
    const auto claimed = parse_statement(statement);
    if (!claimed)
        return std::unexpected(claimed.error());
    const auto parent = by_hash_.find(claimed->previous);
    const bool first = parent == by_hash_.end();
    if (first && claimed->n != 1)
        return refuse("follows one that is not known");
    const auto own = kept_.size();
    const auto end = first ? own : parent->second;
    const auto head = first ? chain_head() : kept_[end].head;
    auto said = check_next(
        statement, account_, account_key_, head,
        [&](const ed25519_public& key) { return first ? std::nullopt : find_on_branch(end, key); });
    if (!said)
        return std::unexpected(said.error());
    if (own >= limits::statements_kept_max)
        return fail(errc::too_large, "more device statements than are kept of one account");

    if (said->action == statement_action::add)
    {
        const auto [at, fresh] = devices_.try_emplace(said->device, united_device{said->kind, false, own});
        if (!fresh)
            at->second.kind = std::min(at->second.kind, said->kind);
    }
    else
        devices_.at(said->device).revoked = true;
    by_hash_.emplace(hash, own);
    kept_.push_back({to_bytes(statement), *said, end, head_after(head, *said, statement)});
    return {};
}

std::optional<stated_device> device_set::find_on_branch(std::size_t end, const ed25519_public& key) const
{
    // From the end back: a revocation is met before the addition that it ends.
    for (auto at = end;; at = kept_[at].parent)
    {
        const auto& said = kept_[at].said;
        if (said.device == key)
            return stated_device{said.kind, said.action == statement_action::revoke};
        if (kept_[at].parent == at)
            return std::nullopt;
    }
}

device_standing device_set::standing_of(const ed25519_public& key) const
{
    const auto found = devices_.find(key);
    if (found == devices_.end())
        return device_standing::unknown;
    return found->second.revoked ? device_standing::revoked : device_standing::good;
}

std::optional<device_kind> device_set::kind_of(const ed25519_public& key) const
{
    const auto found = devices_.find(key);
    return found == devices_.end() ? std::nullopt : std::optional(found->second.kind);
}

std::optional<device_statement> device_set::addition_of(const ed25519_public& key) const
{
    const auto found = devices_.find(key);
    return found == devices_.end() ? std::nullopt : std::optional(kept_[found->second.added_by].said);
}

std::vector<ed25519_public> device_set::devices() const
{
    std::vector<ed25519_public> out;
    out.reserve(devices_.size());
    for (const auto& [key, _] : devices_)
        out.push_back(key);
    return out;
}

std::string device_set::digest() const
{
    sha256_stream hash;
    for (const auto& [key, device] : devices_)
    {
        hash.update(key);
        const byte_array<2> rest{static_cast<std::uint8_t>(device.kind), static_cast<std::uint8_t>(device.revoked)};
        hash.update(rest);
    }
    return hex_encode(hash.finish());
}

std::vector<bytes> device_set::lacking(const device_chain& chain) const
{
    std::vector<bytes> out;
    std::map<ed25519_public, std::array<bool, 2>> listed;
    for (const auto& each : kept_)
    {
        const auto there = chain.find(each.said.device);
        const bool revokes = each.said.action == statement_action::revoke;
        auto& done = listed[each.said.device][revokes ? 1 : 0];
        if (done || (there && (!revokes || there->revoked)))
            continue;
        done = true;
        out.push_back(each.raw);
    }
    return out;
}

std::vector<bytes> device_set::continuation(const device_chain& chain) const
{
    if (chain.size() > 0 && !by_hash_.contains(chain.head().hash))
        return {};
    // The branch is walked from its end back to what would follow the chain.
    const auto walk = [&](std::size_t end, auto&& visit)
    {
        auto at = end;
        while (kept_[at].said.n > chain.head().n + 1)
        {
            visit(at);
            at = kept_[at].parent;
        }
        visit(at);
        return kept_[at].said.previous == chain.head().hash;
    };
    std::optional<std::size_t> longest;
    for (std::size_t end = 0; end < kept_.size(); ++end)
    {
        const auto length = longest ? kept_[*longest].head.n : chain.head().n;
        if (kept_[end].head.n > length && walk(end, [](std::size_t) {}))
            longest = end;
    }
    std::vector<bytes> out;
    if (longest)
        walk(*longest, [&](std::size_t at) { out.push_back(kept_[at].raw); });
    std::ranges::reverse(out);
    return out;
}

std::vector<bytes> device_set::statements() const
{
    std::vector<bytes> out;
    out.reserve(kept_.size());
    for (const auto& each : kept_)
        out.push_back(each.raw);
    return out;
}

} // namespace consortium
