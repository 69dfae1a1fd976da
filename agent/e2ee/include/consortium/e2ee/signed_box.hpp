#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/e2ee/box.hpp"
#include <string>
#include <string_view>

/// What is sealed to an account's content key and says inside who made it (docs/protocol.md 4).
namespace consortium::e2ee
{

/// What a box is for; signed with it, so that none can stand for another.
struct box_purpose
{
    std::string_view label; ///< one of those below
    std::string scope;      ///< `session` or `machine`; a notice's id
};
inline constexpr std::string_view data_key_label = "consortium data key 1\n";
inline constexpr std::string_view notice_label = "consortium notice 1\n";

struct opened_box
{
    ed25519_public device{}; ///< that made it: whether it may is the reader's to judge
    bytes payload;
};

/// Base64. errc::bad_request for an unusable content key.
result<std::string> seal_signed_box(
    const ed25519_key& device, const account_id& account, const x25519_public& content, const box_purpose& purpose,
    byte_view payload);
/// errc::newer_version for another version byte, errc::corrupt for what was not made for this account, key and purpose.
result<opened_box>
open_signed_box(const x25519_key& content, const account_id& account, const box_purpose& purpose, std::string_view box);

/// The `dataEncryptionKey` of a session or machine; `scope` is that word.
result<std::string> seal_data_key(
    const ed25519_key& device, const account_id& account, const x25519_public& content, std::string scope,
    const key256& data_key);

struct opened_data_key
{
    ed25519_public device{};
    key256 data_key;
};
result<opened_data_key>
open_data_key(const x25519_key& content, const account_id& account, std::string scope, std::string_view box);

} // namespace consortium::e2ee
