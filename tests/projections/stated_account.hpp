#pragma once
#include "consortium/common/device_chain.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "consortium/projections/commands.hpp"

namespace consortium::projections::testing
{

/// The same key whenever it is asked for.
inline ed25519_key signing_key(std::uint8_t which)
{
    byte_array<32> seed;
    seed.fill(which);
    return ed25519_key::from_seed(key256(seed));
}
inline ed25519_public public_key(std::uint8_t which)
{
    return signing_key(which).public_key();
}

/// Whoever has the account's key: makes statements, each to follow `head`.
class stated_account
{
public:
    account_id id;
    chain_head head;

    explicit stated_account(std::uint8_t account_key, account_id account = {make_uuid_v7(0)})
        : id(account), key_(signing_key(account_key))
    {
    }

    ed25519_public public_key() const { return key_.public_key(); }

    device_statement next(statement_action action, const ed25519_public& device, device_kind kind) const
    {
        device_statement out;
        out.account = id;
        out.n = head.n + 1;
        out.previous = head.hash;
        out.action = action;
        out.device = device;
        out.kind = kind;
        out.time = 1'700'000'000'000;
        if (action == statement_action::add)
            out.sealed_name = bytes(80, 7);
        return out;
    }
    bytes sign(const device_statement& what) const { return sign_statement(key_, what); }
    bytes add(const ed25519_public& device, device_kind kind = device_kind::browser) const
    {
        return sign(next(statement_action::add, device, kind));
    }
    bytes revoke(const ed25519_public& device, device_kind kind = device_kind::browser) const
    {
        return sign(next(statement_action::revoke, device, kind));
    }
    /// `statement` was taken: what follows follows it.
    bytes follow(bytes statement)
    {
        head = head_after(head, parse_statement(statement).value(), statement);
        return statement;
    }
    /// Signs in as a device that the next statement adds, or as the unnamed one; makes the account if it is new.
    projections::sign_in sign_in(std::uint8_t device, device_kind kind)
    {
        projections::sign_in wanted;
        wanted.account_key = public_key();
        if (kind != device_kind::unnamed)
            wanted.device = {testing::public_key(device), kind, follow(add(testing::public_key(device), kind))};
        wanted.new_account = id;
        wanted.new_device = {make_uuid_v7(0)};
        wanted.create = true;
        return wanted;
    }

private:
    ed25519_key key_;
};

} // namespace consortium::projections::testing
