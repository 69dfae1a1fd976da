#pragma once
#include "consortium/common/sign.hpp"
#include "consortium/e2ee/box.hpp"
#include <initializer_list>
#include <string_view>

namespace consortium::e2ee
{

/// The key tree of docs/protocol.md 4: HMAC-SHA512 from `seed` by usage, then down the path of names.
key256 derive(const key256& seed, std::string_view usage, std::initializer_list<std::string_view> path);

/// What follows from the account secret: the key that signs in and the key that data keys are wrapped to.
struct account_keys
{
    ed25519_key login;
    x25519_key content;
};
account_keys make_account_keys(const key256& account_secret);

/// The key of a session's metadata under its data key (docs/protocol.md 5).
key256 session_metadata_key(const key256& data_key);

} // namespace consortium::e2ee
