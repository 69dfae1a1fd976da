#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/sign.hpp"

namespace consortium
{

/// A browser's word that a session shall be deleted, keys and all (docs/protocol.md 2.8).
struct signed_deletion
{
    ed25519_public device{};
    ed25519_signature signature{};

    friend bool operator==(const signed_deletion&, const signed_deletion&) = default;
};

signed_deletion sign_deletion(const ed25519_key& device, const account_id& account, const session_id& session);
/// Whether `given` was made by the device that it names for this session. Whether that device may is not asked here.
bool is_deletion_of(const signed_deletion& given, const account_id& account, const session_id& session) noexcept;

} // namespace consortium
