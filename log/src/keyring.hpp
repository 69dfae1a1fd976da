#pragma once
#include "consortium/log/event_log.hpp"
#include "lru.hpp"
#include "pinned_store.hpp"
#include "record_codec.hpp"
#include <mutex>
#include <optional>
#include <rocksdb/write_batch.h>
#include <string_view>

/// All keys of the log, wrapped under the root key in column family `keys`: docs/log-format.md, "Keys".
namespace consortium::log
{

struct stored_key_hash
{
    std::size_t operator()(const stored_key_id& id) const noexcept { return load_little_endian<std::size_t>(id); }
};

/// A data key as the key ring knows it.
struct key_state
{
    enum class kind
    {
        present,
        destroyed,
        unknown
    } what = kind::unknown;
    std::optional<sealing_key> key; ///< if present
    lsn destroyed_by;               ///< if destroyed
};

class keyring
{
public:
    /// Makes the log's own keys, adding them to `batch`.
    static std::unique_ptr<keyring> create(const key256& root, const rocks_store& store, rocksdb::WriteBatch& batch);
    /// errc::corrupt if one of the log's own keys is missing or does not open.
    static result<std::unique_ptr<keyring>> open(const key256& root, const rocks_store& store);

    const sealing_key& log_key() const noexcept { return *log_record_key_; }
    const key256& view_key() const noexcept { return view_key_; }
    const relay_keys& relay() const noexcept { return relay_; }

    /// What records and rows call the data key of a scope: a keyed hash, which does not show whose key it is.
    stored_key_id stored_id(const key_id& scope) const;

    /// Reads past the cache. Throws log_failure.
    key_state load(const rocks_store& store, const rocksdb::ReadOptions& options, const stored_key_id& id) const;
    /// As `at` saw it, from the cache of open keys if possible. Thread-safe. Throws log_failure.
    key_state find(const pinned_store& at, const stored_key_id& id);

    void add(rocksdb::WriteBatch& batch, const rocks_store& store, const stored_key_id& id, const key256& key) const;
    /// Overwrites the wrapped key by a note that `by` destroyed it.
    static void destroy(rocksdb::WriteBatch& batch, const rocks_store& store, const stored_key_id& id, lsn by);

    /// The keys were destroyed durably: forgets them. Snapshots taken before may still open their records.
    void forget(std::span<const stored_key_id> ids);
    /// Counts calls of forget().
    std::uint64_t generation() const;

private:
    explicit keyring(const key256& root);
    void derive();

    key256 wrapping_key_;
    key256 log_key_;
    key256 view_key_;
    std::optional<sealing_key> log_record_key_;
    std::optional<hmac_sha256_key> naming_key_;
    relay_keys relay_;

    mutable std::mutex mutex_;
    std::uint64_t generation_ = 0;
    lru<stored_key_id, sealing_key, stored_key_hash> open_keys_;
};

} // namespace consortium::log
