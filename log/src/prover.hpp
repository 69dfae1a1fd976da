#pragma once
#include "reader.hpp"

/// Proofs about the tree of records: docs/log-format.md, "Proofs".
namespace consortium::log
{

/// snapshot::prove() and snapshot::prove_consistency().
result<record_proof> prove_record(const pinned_store& at, reading& with, lsn number, std::uint64_t tree_size);
result<merkle::proof> prove_consistency(const pinned_store& at, std::uint64_t before, std::uint64_t after);

} // namespace consortium::log
