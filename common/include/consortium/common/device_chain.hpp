#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/device_kind.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/sign.hpp"
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Which devices belong to an account: statements signed by the account's key, each naming the one before it
/// (docs/protocol.md 2.3). Relay and clients judge by these rules, and by the same vectors. Pure.
namespace consortium
{

enum class statement_action : std::uint8_t
{
    add = 1,
    revoke = 2,
};

struct device_statement
{
    account_id account;
    std::uint64_t n = 0;       ///< from 1
    byte_array<32> previous{}; ///< statement_hash() of statement n - 1; zeros for the first
    statement_action action = statement_action::add;
    ed25519_public device{};
    device_kind kind = device_kind::agent;
    unix_millis time = 0; ///< for display
    bytes sealed_name;    ///< box bundle to the account's content key; empty for a revocation
    ed25519_signature signature{};

    friend bool operator==(const device_statement&, const device_statement&) = default;
};

/// Its form alone: nothing is said of signature and place. errc::bad_request names the rule it breaks.
result<device_statement> parse_statement(byte_view statement);
/// The bytes of `what`, its `signature` replaced by the account key's. `what` must be of a proper form.
bytes sign_statement(const ed25519_key& account_key, const device_statement& what);
byte_array<32> statement_hash(byte_view statement);

/// Where a chain ends.
struct chain_head
{
    std::uint64_t n = 0;       ///< 0: nothing stated yet
    byte_array<32> hash{};     ///< of statement n
    std::size_t additions = 0; ///< how many devices it has named

    friend bool operator==(const chain_head&, const chain_head&) = default;
};
/// What a chain says of a device.
struct stated_device
{
    device_kind kind = device_kind::agent;
    bool revoked = false;

    friend bool operator==(const stated_device&, const stated_device&) = default;
};
/// Empty: the chain has never named that key.
using stated_device_lookup = std::function<std::optional<stated_device>(const ed25519_public&)>;

/// `statement`, if it may follow `head` in the chain of `account`, whose devices `find` knows. errc::bad_request: the
/// rule it breaks, in words; errc::conflict: it is sound, but not the next.
result<device_statement> check_next(
    byte_view statement, const account_id& account, const ed25519_public& account_key, const chain_head& head,
    const stated_device_lookup& find);
/// Where the chain ends once `next`, which was checked, follows.
chain_head head_after(const chain_head& head, const device_statement& next, byte_view statement);

/// One branch, valid from its first statement on.
class device_chain
{
public:
    device_chain(const account_id& account, const ed25519_public& account_key)
        : account_(account), account_key_(account_key)
    {
    }

    /// Errors as check_next(), and nothing is changed: the first invalid statement ends the chain.
    result<void> append(byte_view statement);
    /// One after the other. Those before the first invalid one stay.
    result<void> append(std::span<const bytes> statements);

    const account_id& account() const noexcept { return account_; }
    const ed25519_public& account_key() const noexcept { return account_key_; }
    std::size_t size() const noexcept { return statements_.size(); }
    const chain_head& head() const noexcept { return head_; }
    const std::vector<bytes>& statements() const noexcept { return statements_; }
    std::optional<stated_device> find(const ed25519_public& key) const;
    /// Whether its statement `n` is the one with this hash.
    bool holds(std::uint64_t n, const byte_array<32>& hash) const;

private:
    account_id account_;
    ed25519_public account_key_;
    chain_head head_;
    std::vector<bytes> statements_;
    std::map<ed25519_public, stated_device> devices_;
};

enum class device_standing
{
    unknown,
    good,
    revoked,
};

/// The union of all branches that were ever seen: what was said once stays said. A device is good when some statement
/// adds it and none revokes it.
class device_set
{
public:
    device_set(const account_id& account, const ed25519_public& account_key)
        : account_(account), account_key_(account_key)
    {
    }

    /// All of them or, with the first that breaks a rule, none; in any order in which each stands behind the one that
    /// it names. True: something was new. errc::bad_request; errc::too_large: more than are kept.
    result<bool> learn(std::span<const bytes> statements);
    /// Of the same account.
    result<bool> learn(const device_chain& chain) { return learn(chain.statements()); }

    const account_id& account() const noexcept { return account_; }
    const ed25519_public& account_key() const noexcept { return account_key_; }
    bool empty() const noexcept { return kept_.empty(); }
    device_standing standing_of(const ed25519_public& key) const;
    /// Where two branches add one key as two kinds, it is the one that may do less: an agent.
    std::optional<device_kind> kind_of(const ed25519_public& key) const;
    /// The statement that adds `key`, the first that was learned.
    std::optional<device_statement> addition_of(const ed25519_public& key) const;
    std::vector<ed25519_public> devices() const;
    /// Hex SHA-256 of key ‖ kind ‖ revoked of every device, in the order of the keys: what two ends compare.
    std::string digest() const;

    /// The statements kept that do something to a key which `chain` does not do to it, one for each such effect, in the
    /// order learned.
    std::vector<bytes> lacking(const device_chain& chain) const;
    /// What follows `chain` on the longest branch kept that begins with it; empty: none does.
    std::vector<bytes> continuation(const device_chain& chain) const;
    /// All, each behind the one that it names.
    std::vector<bytes> statements() const;

private:
    struct kept_statement
    {
        bytes raw;
        device_statement said;
        std::size_t parent; ///< index in kept_; its own for the first of a branch
        chain_head head;    ///< of the branch that ends here
    };
    struct united_device
    {
        device_kind kind = device_kind::agent;
        bool revoked = false;
        std::size_t added_by = 0;
    };
    result<void> take(byte_view statement);
    std::optional<stated_device> find_on_branch(std::size_t end, const ed25519_public& key) const;

    account_id account_;
    ed25519_public account_key_;
    std::vector<kept_statement> kept_;
    std::map<byte_array<32>, std::size_t> by_hash_;
    std::map<ed25519_public, united_device> devices_;
};

} // namespace consortium
