#include "consortium/projections/views.hpp"
#include "parts.hpp"
#include "rocks_store.hpp"
#include <rocksdb/db.h>
#include <rocksdb/metadata.h>

namespace consortium::bench
{

void measure_size(const settings& wanted)
{
    heading("Size on disk");
    const auto directory = filled_log(wanted);

    std::uint64_t records = 0;
    {
        // RocksDB's own handles: bare_store knows only the families the log names to others.
        const auto store = need(
            log::rocks_store::open(
                directory / "db", log::store_access::read_write, projections::rules().tables(), nullptr),
            "cannot open the store");
        records = need(store->head(), "cannot read the head").number().value;
    }
    rocksdb::DB* opened = nullptr;
    std::vector<std::string> names;
    if (!rocksdb::DB::ListColumnFamilies({}, directory / "db", &names).ok())
        throw std::runtime_error("cannot list the column families");
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names)
    {
        rocksdb::ColumnFamilyOptions options;
        if (name == "log")
            options.compression = options.bottommost_compression = rocksdb::kNoCompression;
        families.emplace_back(name, options);
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    if (!rocksdb::DB::Open({}, directory / "db", families, &handles, &opened).ok())
        throw std::runtime_error("cannot open the store");
    const std::unique_ptr<rocksdb::DB> db(opened);
    std::printf(
        "%s messages of %zu bytes with a localId, everything flushed and compacted; bytes for each record.\n\n",
        grouped(static_cast<double>(records)).c_str(), wanted.payload_bytes);
    table out({"column family", "bytes a record", "files"});
    double total = 0;
    for (auto* handle : handles)
    {
        rocksdb::CompactRangeOptions whole;
        whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
        if (!db->Flush({}, handle).ok() || !db->CompactRange(whole, handle, nullptr, nullptr).ok())
            throw std::runtime_error("cannot compact");
        rocksdb::ColumnFamilyMetaData about;
        db->GetColumnFamilyMetaData(handle, &about);
        const auto each = static_cast<double>(about.size) / static_cast<double>(records);
        total += each;
        if (each >= 0.05)
            out.row({handle->GetName(), decimal(each, 1), std::to_string(about.file_count)});
        db->DestroyColumnFamilyHandle(handle);
    }
    out.row({"all", decimal(total, 1), ""});
    out.row({"all but the payload", decimal(total - static_cast<double>(wanted.payload_bytes), 1), ""});
}

} // namespace consortium::bench
