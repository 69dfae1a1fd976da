#include "consortium/common/signed_deletion.hpp"

namespace consortium
{
namespace
{

// docs/protocol.md 2.8.
bytes deletion_text(const account_id& account, const session_id& session)
{
    auto out = to_bytes(view("consortium deletion 1\n"));
    append(out, account.view());
    append(out, session.view());
    return out;
}

} // namespace

signed_deletion sign_deletion(const ed25519_key& device, const account_id& account, const session_id& session)
{
    return {device.public_key(), device.sign(deletion_text(account, session))};
}

bool is_deletion_of(const signed_deletion& given, const account_id& account, const session_id& session) noexcept
{
    return ed25519_verify(given.device, deletion_text(account, session), given.signature);
}

} // namespace consortium
