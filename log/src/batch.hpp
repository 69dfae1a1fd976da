#pragma once
#include "consortium/log/event_log.hpp"
#include "keyring.hpp"
#include "overlay.hpp"
#include "pinned_store.hpp"
#include <rocksdb/write_batch.h>
#include <vector>

namespace consortium::log
{

/// Commands that were decided together, and what becomes durable with them.
struct batch
{
    explicit batch(std::size_t table_count) : rows(table_count) {}

    rocksdb::WriteBatch writes;
    std::vector<outcome> outcomes;
    row_overlay rows; ///< what `writes` does to the views, readable
    std::vector<stored_key_id> destroyed;
    lsn destroyed_by; ///< the newest event that did
    std::size_t records = 0;
    std::size_t bytes = 0;
    tree_head after;

    /// For the next one, with the room it has.
    void clear()
    {
        outcomes.clear();
        take_back();
    }
    /// Nothing of it becomes durable; the outcomes stay.
    void take_back()
    {
        writes.Clear();
        rows.clear();
        destroyed.clear();
        destroyed_by = {};
        records = 0;
        bytes = 0;
        after = {};
    }
};

} // namespace consortium::log
