#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/merkle.hpp"
#include <optional>

namespace consortium::log
{

/// One record and its place in the tree, for whoever may read it: docs/log-format.md, "Proofs". Tells nothing of other
/// records.
struct record_proof
{
    lsn number;
    /// The 62 bytes of docs/log-format.md, "Records".
    bytes header;
    byte_array<32> header_key{}; ///< KDF(log key, "hdr" ‖ account ‖ revision): opens cH
    /// As it lies sealed in the record (a FlatBuffers event); empty optional: shredded.
    std::optional<bytes> body;
    std::optional<byte_array<32>> body_key; ///< KDF(data key, "body" ‖ account ‖ revision): opens cB; there with `body`
    digest256 body_commitment{};            ///< cB
    merkle::proof path;                     ///< of leaf index(), in the tree it was asked for

    /// The leaf's place in the tree.
    std::uint64_t index() const noexcept { return number.value - 1; }
    /// What `path` proves, computed from the parts above as a client does: SHA-256(0x00 ‖ cH ‖ cB).
    digest256 leaf() const;
};

} // namespace consortium::log
