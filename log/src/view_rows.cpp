#include "view_rows.hpp"

namespace consortium::log
{
namespace
{

bytes open_row(view_family& family, const row_codec& codec, byte_view key, byte_view sealed)
{
    auto value = codec.open(family.table(), key, sealed);
    if (!value)
        family.fail(value.error());
    return std::move(*value);
}

[[noreturn]] void fail_read(view_family& family, const rocksdb::Status& status)
{
    const auto why = to_error(status, "cannot read view rows");
    // Of what the end of the process does to a read, the table is innocent.
    if (status.IsCorruption() || status.IsIOError() || status.IsPathNotFound())
        family.fail(why);
    throw log_failure(why);
}

} // namespace

std::optional<bytes> get_view_row(
    const rocks_store& store, const rocksdb::ReadOptions& options, view_family& family, const row_codec& codec,
    byte_view key)
{
    family.check();
    rocksdb::PinnableSlice sealed;
    const auto status = store.db().Get(options, family.handle(), slice(key), &sealed);
    if (status.IsNotFound())
        return std::nullopt;
    if (!status.ok())
        fail_read(family, status);
    return open_row(family, codec, key, view(sealed));
}

void scan_view_rows(
    const rocks_store& store, const rocksdb::ReadOptions& options, view_family& family, const row_codec& codec,
    merged_scan scan, const row_overlay::ordered& newer, const view_reader::visitor& visit)
{
    family.check();
    scan.open = [&](byte_view key, byte_view sealed) { return open_row(family, codec, key, sealed); };
    const std::unique_ptr<rocksdb::Iterator> stored(store.db().NewIterator(options, family.handle()));
    if (const auto status = scan.run(*stored, newer, visit); !status.ok())
        fail_read(family, status);
}

} // namespace consortium::log
