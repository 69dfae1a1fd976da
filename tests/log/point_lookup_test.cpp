#include "consortium/common/secret.hpp"
#include "log/small_domain.hpp"
#include "rocks_store.hpp"
#include <gtest/gtest.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

namespace consortium::log
{
namespace
{

/// What every message asks: is this localId new? Its table grows for ever.
TEST(point_lookup, of_what_is_not_there_reads_little_however_many_rows_there_are)
{
    const testing::temporary_directory place;
    constexpr std::string_view names[] = {"rows"};
    const auto store = rocks_store::open(place.path() / "db", store_access::create, names, nullptr);
    ASSERT_TRUE(store) << store.error().detail;
    auto& db = (*store)->db();
    auto* table = (*store)->view(0);

    constexpr int row_count = 1'200'000;
    constexpr int batch_count = 10'000;
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    const auto value = random_array<21>();
    bytes keys(32 * batch_count);
    for (int i = 0; i < row_count / batch_count; ++i)
    {
        fill_random(keys);
        rocksdb::WriteBatch batch;
        for (std::size_t at = 0; at < keys.size(); at += 32)
            batch.Put(table, slice(byte_view(keys).subspan(at, 32)), slice(value));
        ASSERT_TRUE(db.Write(options, &batch).ok());
    }
    ASSERT_TRUE(db.Flush({}, table).ok());
    ASSERT_TRUE(db.CompactRange({}, table, nullptr, nullptr).ok());

    constexpr int lookup_count = 2000;
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    rocksdb::get_perf_context()->Reset();
    for (int i = 0; i < lookup_count; ++i)
    {
        const auto key = random_array<32>();
        rocksdb::PinnableSlice found;
        EXPECT_FALSE(get_row(**store, {}, table, key, found));
    }
    const auto read = rocksdb::get_perf_context()->block_read_byte;
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
    EXPECT_LT(read / lookup_count, 16u << 10);
}

} // namespace
} // namespace consortium::log
