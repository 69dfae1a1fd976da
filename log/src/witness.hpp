#pragma once
#include "consortium/common/hash.hpp"
#include "consortium/common/ids.hpp"
#include "files.hpp"
#include "seams.hpp"
#include <filesystem>

/// The head witness: what the log must at least hold, kept outside RocksDB, which can lose acknowledged records while
/// it reports success. Bytes: docs/log-format.md, "Witness".
namespace consortium::log
{

struct witness_state
{
    log_id id;
    std::uint64_t generation = 0;
    lsn head;
    digest256 root{};

    friend bool operator==(const witness_state&, const witness_state&) = default;
};

/// Of the file's content.
result<witness_state> parse_witness(byte_view file);
/// The intact slot with the highest generation. errc::not_found: no file; errc::corrupt: no slot is intact;
/// errc::newer_version.
result<witness_state> read_witness(const std::filesystem::path& path);

class witness_file
{
public:
    /// Replaces the file by one that says `first`, durably.
    static result<void> create(const std::filesystem::path& path, const witness_state& first);
    /// Goes on after `last`, which read_witness() returned.
    static result<witness_file> open(const std::filesystem::path& path, const witness_state& last, const seams& below);

    /// Writes the other slot and syncs. After an error the file may say either.
    result<void> advance(lsn head, const digest256& root);

private:
    witness_file(unique_fd file, const witness_state& last, seams below);

    unique_fd file_;
    witness_state last_;
    seams below_;
};

} // namespace consortium::log
