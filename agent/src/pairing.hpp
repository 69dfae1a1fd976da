#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/e2ee/pairing.hpp"
#include "keystore.hpp"
#include "relay_client.hpp"

namespace consortium::agent
{

/// What an approval of this agent's request turned out to be. Nothing of it is stored yet.
struct approval
{
    identity who;
    std::string code; ///< for the person to compare
};

/// One attempt to be paired with a dashboard's account (docs/protocol.md 2.2). Everything in it lives in memory only.
class pairing_attempt
{
public:
    pairing_attempt(relay_client& relay, const ed25519_public& device, std::string name);

    /// For the QR code.
    std::string link() const;
    /// Asks the relay, and asks again until somebody approves. Errors: errc::corrupt when the answer was not made by
    /// someone who has the link, or the token is for another account or device; those of the relay that do not pass.
    asio::awaitable<result<approval>> wait(const clock_source& clock);

private:
    asio::awaitable<relay_answer<void>> ask();
    asio::awaitable<result<approval>> open(const unchecked& status, const clock_source& clock);

    relay_client& relay_;
    e2ee::x25519_key key_ = e2ee::x25519_key::random();
    key256 secret_ = key256::random();
    e2ee::pairing_request request_;
};

/// The claims of a token, not verified: only the relay can.
struct token_claims
{
    std::string account;
    std::string device;
};
result<token_claims> read_token(std::string_view token);

/// errc::corrupt unless the relay knows the token's device by this key.
asio::awaitable<result<void>> check_own_device(relay_client& relay, const ed25519_public& device);

/// Makes (or enters) the account of this secret and signs this device in.
asio::awaitable<result<identity>> sign_in(
    relay_client& relay, const key256& account_secret, const ed25519_key& device, std::string name,
    const clock_source& clock);

/// Whether a browser has signed in to the account.
asio::awaitable<result<bool>> has_browser(relay_client& relay);

} // namespace consortium::agent
