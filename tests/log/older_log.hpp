#pragma once
#include "consortium/log/event_log.hpp"
#include "rocks_store.hpp"
#include <gtest/gtest.h>

namespace consortium::log::testing
{

/// Changes the store of a closed log, as it lies there.
inline void write_store(
    const log_options& options, const domain& rules,
    const std::function<void(rocks_store&, rocksdb::WriteBatch&)>& change)
{
    const auto opened =
        rocks_store::open(options.directory / "db", store_access::read_write, rules.tables(), nullptr).value();
    rocksdb::WriteBatch batch;
    change(*opened, batch);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    ASSERT_TRUE(opened->db().Write(durable, &batch).ok());
}

/// Leaves the directory of a closed log as a version without tiles would have.
inline void forget_tree(const log_options& options, const domain& rules)
{
    write_store(
        options, rules,
        [](rocks_store& opened, rocksdb::WriteBatch& batch)
        {
            ASSERT_TRUE(opened.db().DropColumnFamily(opened.tree()).ok());
            batch.Delete(opened.meta(), "tree");
        });
}

} // namespace consortium::log::testing
