#pragma once
#include "overlay.hpp"
#include "rocks_store.hpp"
#include "row_codec.hpp"
#include "view_family.hpp"

/// Reading the stored rows of a view table. One that cannot be read, or does not open, breaks its table.
namespace consortium::log
{

/// Empty: no such row. Throws view_failure.
std::optional<bytes> get_view_row(
    const rocks_store& store, const rocksdb::ReadOptions& options, view_family& family, const row_codec& codec,
    byte_view key);

/// `scan.open` is set here. Throws view_failure, and what `visit` throws.
void scan_view_rows(
    const rocks_store& store, const rocksdb::ReadOptions& options, view_family& family, const row_codec& codec,
    merged_scan scan, const row_overlay::ordered& newer, const view_reader::visitor& visit);

} // namespace consortium::log
