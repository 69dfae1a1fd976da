#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/device_chain.hpp"
#include "identity/keystore.hpp"
#include "link/relay_client.hpp"
#include <string>

/// How this machine gets its token (docs/protocol.md 2.1).
namespace consortium::agent
{

/// A token for a device that is good in the relay's chain of that account. errc::corrupt: the answer does not fit.
asio::awaitable<relay_answer<std::string>>
sign_in_alone(relay_client& relay, const account_id& account, const ed25519_key& device);

/// A sign-in with the account's secret, from before anything is sent until it has succeeded. On disk, so that what was
/// signed is never forgotten.
struct unfinished_sign_in
{
    std::string server_url;
    key256 account_secret;
    key256 device_seed;
    bool made_here = false; ///< the secret: then the account is made where there is none
    /// What was signed, and the chain it stands on.
    account_id account;
    std::vector<bytes> statements;
};
result<std::optional<unfinished_sign_in>> load_unfinished_sign_in(const keystore& store);
result<void> save_unfinished_sign_in(const keystore& store, const unfinished_sign_in& value);
result<void> forget_unfinished_sign_in(const keystore& store);

/// Signs this machine in with the account's secret, and states it in the account's chain if it is not there. What comes
/// back is stored: key, identity and chain; the secret only where it was made here.
/// errc::not_found: there is no account of this secret, and `create` was not given. Nothing was made or signed.
/// errc::invitation_required, errc::registration_closed: likewise, the relay makes no account without, or with, this
/// `invitation`. errc::corrupt: the relay answers what proves nothing.
asio::awaitable<result<identity>> sign_in_with_secret(
    relay_client& relay, const keystore& store, unfinished_sign_in& what, bool create, std::string name,
    const clock_source& clock, std::string invitation = {});

/// Makes `who` this machine's identity, `device_seed` its key and `chain` what it knows of the account's devices.
result<void>
keep_identity(const keystore& store, const identity& who, const key256& device_seed, const device_chain& chain);

} // namespace consortium::agent
