#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/sign.hpp"
#include <cstdint>
#include <string>
#include <string_view>

/// Signed checkpoints of a log: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) in C2SP signed notes
/// (https://c2sp.org/signed-note), Ed25519. Pure.
namespace consortium::note
{

/// Who signs: a name without spaces and `+`, and a key. Text form: `<name>+<key id, hex>+<base64(0x01 ‖ public key)>`.
struct verifier
{
    std::string name;
    ed25519_public key{};

    /// SHA-256(name ‖ "\n" ‖ 0x01 ‖ key), the first four bytes.
    byte_array<4> id() const;
    std::string text() const;
    /// errc::bad_request for anything but a text form whose key id fits.
    static result<verifier> parse(std::string_view text);

    friend bool operator==(const verifier&, const verifier&) = default;
};

/// `text`, which ends with a newline, a blank line, and the signature line. `name` as of verifier.
std::string sign(std::string_view text, const std::string& name, const ed25519_key& key);

/// The text of a note that `by` signed. Signatures of others are passed over. errc::bad_request: malformed;
/// errc::corrupt: not signed by `by`, or the signature does not fit.
result<std::string> open(std::string_view signed_note, const verifier& by);

} // namespace consortium::note

namespace consortium
{

/// What a relay says of its log at one moment.
struct checkpoint
{
    std::string origin; ///< names the log; also the signer's name
    std::uint64_t size = 0;
    digest256 root{};

    /// The three lines, unsigned.
    std::string text() const;
    /// errc::bad_request unless it is exactly such a text; extension lines behind the three are passed over.
    static result<checkpoint> parse(std::string_view text);

    friend bool operator==(const checkpoint&, const checkpoint&) = default;
};

std::string sign_checkpoint(const checkpoint& what, const ed25519_key& key);
/// Errors as note::open; errc::corrupt also when the origin is not the signer's name.
result<checkpoint> open_checkpoint(std::string_view signed_note, const note::verifier& by);

} // namespace consortium
