#pragma once
#include "rocks_store.hpp"
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>

namespace consortium::log::testing
{

/// Changes the store of a closed log as another program could that has the disk, but not the keys.
inline void write_store(
    const std::filesystem::path& directory, const domain& rules,
    const std::function<void(rocks_store&, rocksdb::WriteBatch&)>& change)
{
    const auto opened = rocks_store::open(directory / "db", store_access::read_write, rules.tables(), nullptr).value();
    rocksdb::WriteBatch batch;
    change(*opened, batch);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    ASSERT_TRUE(opened->db().Write(durable, &batch).ok());
}

/// Leaves the directory of a closed log as a version without tiles would have.
inline void forget_tree(const std::filesystem::path& directory, const domain& rules)
{
    write_store(
        directory, rules,
        [](rocks_store& opened, rocksdb::WriteBatch& batch)
        {
            ASSERT_TRUE(opened.db().DropColumnFamily(opened.tree()).ok());
            batch.Delete(opened.meta(), "tree");
        });
}

} // namespace consortium::log::testing
