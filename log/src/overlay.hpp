#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/log/domain.hpp"
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <rocksdb/status.h>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace rocksdb
{
class Iterator;
class WriteBatch;
} // namespace rocksdb

/// View rows that are newer than the store's.
namespace consortium::log
{

class rocks_store;
class row_codec;

struct bytes_hash
{
    using is_transparent = void;
    std::size_t operator()(byte_view data) const noexcept { return std::hash<std::string_view>{}(text(data)); }
};
struct bytes_equal
{
    using is_transparent = void;
    bool operator()(byte_view left, byte_view right) const noexcept { return text(left) == text(right); }
};
struct bytes_less
{
    using is_transparent = void;
    bool operator()(byte_view left, byte_view right) const noexcept { return text(left) < text(right); }
};

/// The smallest key above all keys with this prefix; empty: there is none.
bytes after_prefix(byte_view prefix);

/// Prefixes of keys, none of which begins with another.
class prefix_set
{
public:
    void add(byte_view prefix);
    /// The prefix with which `key` begins; nullptr: none.
    const bytes* covers(byte_view key) const;
    bool empty() const noexcept { return prefixes_.empty(); }
    void clear() { prefixes_.clear(); }
    auto begin() const noexcept { return prefixes_.begin(); }
    auto end() const noexcept { return prefixes_.end(); }

private:
    std::set<bytes, bytes_less> prefixes_;
};

/// Rows of one batch: the newest value of each, empty for an erased one, and the prefixes that were erased before them.
class row_overlay
{
public:
    using row = std::optional<bytes>;
    struct table
    {
        std::unordered_map<bytes, row, bytes_hash, bytes_equal> rows;
        /// Whatever older rows begin with these are gone; `rows` came later.
        prefix_set erased;
    };
    /// Rows of one or more batches in key order, over older ones of which those under `erased` are gone.
    struct ordered
    {
        std::map<bytes, row, bytes_less> rows;
        prefix_set erased;
    };

    explicit row_overlay(std::size_t table_count) : tables_(table_count) {}

    void set(table_id table, byte_view key, row value);
    void erase_prefix(table_id table, byte_view prefix);
    /// nullptr: this batch did not touch the row.
    const row* find(table_id table, byte_view key) const;
    /// Lays what this batch did to rows with this prefix over what batches before it did.
    void collect(table_id table, byte_view prefix, ordered& into) const;
    /// Adds all to `batch`, sealed: each row once, as it is at the end.
    void write(rocksdb::WriteBatch& batch, const rocks_store& store, const row_codec& codec) const;
    /// The same of one table.
    void write(rocksdb::WriteBatch& batch, table_id table, const rocks_store& store, const row_codec& codec) const;
    /// Of that only the erased prefixes, which come before the rows.
    void write_erased(rocksdb::WriteBatch& batch, table_id table, const rocks_store& store) const;

    const std::vector<table>& tables() const noexcept { return tables_; }
    std::vector<table>& tables() noexcept { return tables_; }
    void clear();

private:
    std::vector<table> tables_;
};

/// One walk over the rows of the store with `newer` rows laid over them.
struct merged_scan
{
    byte_view prefix;
    byte_view from;
    bool down = false;
    /// Value of a stored row, opened.
    std::function<bytes(byte_view key, byte_view sealed)> open;

    /// What became of `stored`: not ok if there may have been more rows.
    [[nodiscard]] rocksdb::Status
    run(rocksdb::Iterator& stored, const row_overlay::ordered& newer, const view_reader::visitor& visit) const;

private:
    void seek(rocksdb::Iterator& stored) const;
    void skip_erased(rocksdb::Iterator& stored, const prefix_set& erased) const;
};

} // namespace consortium::log
