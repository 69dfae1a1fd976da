#pragma once
#include "consortium/log/event_log.hpp"
#include <filesystem>
#include <string>
#include <vector>

namespace consortium::projections
{

/// One view table, rebuilt and held against the live one.
struct table_comparison
{
    std::string table;
    digest256 live{};
    digest256 rebuilt{};
    std::string damage; ///< why the live one cannot be read; else empty
    bool equal() const noexcept { return damage.empty() && live == rebuilt; }
};

struct rebuild_report
{
    std::uint64_t events = 0;
    std::vector<table_comparison> tables;
};

/// Folds the whole log into empty views, with the functions that folded it while it was written; returns how many
/// events those were.
result<std::uint64_t> fold_log(const log::log_reader& source, log::scratch_views& into);

/// Folds the whole log, with the functions that folded it while it was written, into views under `scratch` (which must
/// not exist and is removed afterwards) and compares every table that is in use with the live one, which may be
/// damaged.
result<rebuild_report> compare_rebuilt_views(const log::log_reader& source, const std::filesystem::path& scratch);

} // namespace consortium::projections
