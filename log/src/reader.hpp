#pragma once
#include "consortium/log/event_log.hpp"
#include "keyring.hpp"
#include "pinned_store.hpp"
#include "row_codec.hpp"

/// Reading records and rows at one moment of the store.
namespace consortium::log
{

/// What readers share; outlives every snapshot.
struct reading
{
    std::unique_ptr<keyring> keys;
    row_codec rows;
    /// Of checkpoints; the signer's name too.
    std::string origin;
    ed25519_key signer;

    reading(std::unique_ptr<keyring> ring, const log_id& id)
        : keys(std::move(ring)),
          rows(keys->view_key()),
          origin("consortium-log/" + to_string(id)),
          signer(ed25519_key::from_seed(keys->relay().checkpoint_seed))
    {
    }
    note::verifier verifier() const { return {.name = origin, .key = signer.public_key()}; }
};

byte_array<8> record_key(lsn number) noexcept;
/// `why`, naming the record.
std::unexpected<error> fail_record(lsn number, const error& why);

/// The checkpoint of this moment; signed once.
const std::string& sign_head(const pinned_store& at, const reading& with);

std::unique_ptr<snapshot> make_snapshot(std::shared_ptr<const pinned_store> at, std::shared_ptr<reading> with);

} // namespace consortium::log
