#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/log/domain.hpp"
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace rocksdb
{
class Iterator;
}

/// View rows that are newer than the store's.
namespace consortium::log
{

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

/// Rows of one batch: the newest value of each, empty for an erased one.
class row_overlay
{
public:
    using row = std::optional<bytes>;
    using table = std::unordered_map<bytes, row, bytes_hash, bytes_equal>;
    using ordered = std::map<bytes, row, bytes_less>;

    explicit row_overlay(std::size_t table_count) : tables_(table_count) {}

    void set(table_id table, byte_view key, row value);
    /// nullptr: this batch did not touch the row.
    const row* find(table_id table, byte_view key) const;
    /// Adds the rows with this prefix to `into`, replacing what is there.
    void collect(table_id table, byte_view prefix, ordered& into) const;

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

    void run(rocksdb::Iterator& stored, const row_overlay::ordered& newer, const view_reader::visitor& visit) const;
};

} // namespace consortium::log
