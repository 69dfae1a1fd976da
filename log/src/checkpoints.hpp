#pragma once
#include "consortium/common/checkpoint.hpp"
#include "tree_reader.hpp"
#include <optional>
#include <string>

/// The newest signed checkpoint, in column family `meta`: docs/log-format.md, "Checkpoints and proofs".
namespace consortium::log
{

/// Empty: none was stored yet.
result<std::optional<std::string>> stored_checkpoint(const rocks_store& store);
/// Durable when it returns.
result<void> store_checkpoint(const rocks_store& store, const std::string& signed_note);

/// For a log that gets another id: the stored one names the old.
void forget_checkpoint(rocksdb::WriteBatch& batch, const rocks_store& store);

/// That `tree` begins with what the note says; returns the note's size. errc::bad_request: not a checkpoint;
/// errc::corrupt: not signed by `by`, or over other records; errc::log_truncated: over more records than there are.
/// Throws log_failure.
result<std::uint64_t> hold_against_checkpoint(
    const tree_reader& tree, const digest256& root_at_head, std::string_view signed_note, const note::verifier& by);

} // namespace consortium::log
