#pragma once
#include "rocks_store.hpp"
#include "witness.hpp"
#include <filesystem>
#include <optional>
#include <random>

/// The limit to hold the log against: RocksDB, opened as the log opens it, given random bytes of the sizes the log
/// writes. Nothing is decided, sealed, hashed or folded.
namespace consortium::bench
{

struct bare_shape
{
    std::size_t payload_bytes = 1024;
    /// As many rows, of the same sizes, as messages with a localId leave in the views.
    bool view_rows = true;
    /// After each batch, the second sync that the head witness costs.
    bool witness = false;
    std::size_t sessions = 1;
};

class bare_store
{
public:
    bare_store(const std::filesystem::path& directory, bare_shape shape);

    /// One batch of so many records, synced.
    void write(std::size_t records);
    std::uint64_t records() const noexcept { return number_; }

private:
    void put_rows(rocksdb::WriteBatch& batch, std::size_t records);

    bare_shape shape_;
    std::unique_ptr<log::rocks_store> store_;
    std::optional<log::witness_file> witness_;
    std::mt19937_64 random_{1};
    std::uint64_t number_ = 0;
    bytes record_;
    bytes row_;
    bytes hot_row_;
    bytes run_row_;
    bytes head_;
};

/// Of the value of a message's record with a UUID localId, without its payload.
std::size_t record_extra_bytes();

} // namespace consortium::bench
