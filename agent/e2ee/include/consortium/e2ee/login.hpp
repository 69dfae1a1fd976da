#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/sign.hpp"
#include <string>
#include <string_view>

/// Signing in with the account key (docs/protocol.md 2.1).
namespace consortium::e2ee
{

/// The WHATWG serialisation of an http(s) URL's origin: scheme and host in lower case, the scheme's own port left out.
/// errc::bad_request for anything else, a user name in it included.
result<std::string> origin_of(std::string_view url);

/// The bytes of a challenge that may be signed: its lines name this format, this origin and this key.
/// errc::wrong_origin for another relay's, errc::corrupt for another form: a relay must not get other words signed.
/// `key`: the account's, or the device's own when it signs in alone.
result<bytes> challenge_check(std::string_view challenge_base64, std::string_view origin, const ed25519_public& key);

struct login_signatures
{
    ed25519_signature account;
    ed25519_signature device;
};

/// Both over challenge ‖ device public key.
login_signatures sign_login(byte_view challenge, const ed25519_key& account, const ed25519_key& device);
/// Of a device that signs in alone.
ed25519_signature sign_device_login(byte_view challenge, const ed25519_key& device);

} // namespace consortium::e2ee
