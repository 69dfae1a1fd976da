#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/sign.hpp"
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "consortium/projections/views.hpp"

/// Access tokens: JWT (RFC 7519) with EdDSA (RFC 8037), claims `sub` account, `jti` device, `g` how often
/// it had signed out, `iat`, no `exp`.
namespace consortium::relay
{

struct token_claims
{
    account_id account;
    device_id device;
    std::uint64_t sign_outs = 0; ///< of the device when it was made: claim `g`
    friend bool operator==(const token_claims&, const token_claims&) = default;
};

class token_signer
{
public:
    explicit token_signer(const key256& seed) : key_(ed25519_key::from_seed(seed)) {}

    std::string make(const token_claims& claims, unix_millis now) const;
    /// errc::unauthorized for every text that make() did not make.
    result<token_claims> verify(std::string_view token) const;

private:
    ed25519_key key_;
};

/// Who a token speaks for, as the log has it now.
struct token_holder
{
    projections::principal who;
    std::uint64_t sign_outs = 0; ///< tokens of fewer are void
    bool revoked = false;
};
/// errc::not_found: the account, or a device that clients could know, is not there.
result<token_holder> find_holder(const log::snapshot& at, account_id account, device_id device);

/// Knows who a token speaks for. A verified token is remembered, so that a request costs no signature check; a device
/// that is revoked or logs out is forgotten at once. Thread-safe.
class authenticator
{
public:
    /// Reads the device of the claims: not found is an error.
    using device_lookup = std::function<result<token_holder>(const token_claims&)>;

    authenticator(const key256& seed, device_lookup lookup, std::size_t remembered_max = 65'536);

    std::string issue(const token_claims& claims, unix_millis now) const { return signer_.make(claims, now); }
    /// errc::unauthorized; errc::revoked.
    result<token_holder> verify(std::string_view token);
    /// The same, and a revoked device is no error.
    result<token_holder> verify_even_revoked(std::string_view token);
    /// After its revocation or its logout was committed.
    void forget(device_id device);
    void forget(account_id account);

private:
    struct entry
    {
        std::string token;
        token_holder holder;
    };
    void erase_if(const std::function<bool(const entry&)>& gone);

    token_signer signer_;
    device_lookup lookup_;
    std::size_t remembered_max_;
    std::mutex guard_;
    /// Counts forget(): what was looked up before one must not be remembered after it.
    std::uint64_t epoch_ = 0;
    std::list<entry> by_use_;
    std::unordered_map<std::string_view, std::list<entry>::iterator> by_token_;
};

} // namespace consortium::relay
