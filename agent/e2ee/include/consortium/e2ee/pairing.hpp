#pragma once
#include "consortium/common/device_chain.hpp"
#include "consortium/common/pairing_request.hpp"
#include "consortium/e2ee/box.hpp"
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Pairing an agent with an account (docs/protocol.md 2.2): what takes the link's secret.
namespace consortium::e2ee
{

/// What the link and the QR code carry, in the fragment: no request ever shows it to a relay.
struct pairing_link
{
    std::string relay_url; ///< without a trailing slash
    x25519_public public_key{};
    key256 secret;
};
std::string pairing_link_make(const pairing_link& link);
/// errc::bad_request for anything else than exactly such a link.
result<pairing_link> pairing_link_parse(std::string_view text);

/// base64 secretbox of the device's name, under KDF(secret, "name").
std::string pairing_name_seal(const key256& secret, std::string_view name);
result<std::string> pairing_name_open(const key256& secret, std::string_view sealed);

/// Commits to `nonce`, signed by `device` and authenticated by the secret.
pairing_request pairing_request_make(
    const key256& secret, const x25519_public& public_key, const ed25519_key& device, std::string_view name,
    const pairing_nonce& nonce);
/// Whether it was made by someone who has the link.
bool pairing_request_fits(const key256& secret, const pairing_request& request);

/// What the dashboard answers.
struct pairing_answer
{
    ed25519_public account{};
    x25519_public content{};
    account_id id;
    std::uint64_t n = 0;   ///< of the last statement of the chain it saw
    byte_array<32> hash{}; ///< of that statement
    pairing_nonce nonce{};

    friend bool operator==(const pairing_answer&, const pairing_answer&) = default;
};
/// The authenticated plaintext of an answer to the request of `transcript`.
bytes pairing_answer_make(const key256& secret, const digest256& transcript, const pairing_answer& answer);
/// errc::corrupt unless it was made by someone who knows the link's secret, for exactly this request.
result<pairing_answer> pairing_answer_open(const key256& secret, const digest256& transcript, byte_view plain);

/// Twelve digits. Each end shows one half and asks for the other, the terminal first.
struct pairing_code
{
    std::string asked_at_terminal; ///< "723 232", which the dashboard shows
    std::string shown_at_terminal; ///< "558 640", which the dashboard asks for

    friend bool operator==(const pairing_code&, const pairing_code&) = default;
};
pairing_code
pairing_code_of(const key256& secret, const digest256& transcript, byte_view answer_plain, const pairing_nonce& nonce);
/// The six digits that a person typed, spaces and hyphens among them or not, as "723 232". Empty: it is something else.
std::optional<std::string> pairing_digits_read(std::string_view typed);

/// The account's chain after the confirmation: valid throughout, with the statement that the answer named in it, and
/// `device` added as an agent and not revoked. errc::corrupt otherwise.
result<device_chain>
pairing_chain_check(const pairing_answer& answer, const ed25519_public& device, std::span<const bytes> statements);

} // namespace consortium::e2ee
