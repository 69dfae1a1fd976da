#pragma once
#include "recovery.hpp"

namespace consortium::log
{

/// Opens every record of the log up to `at` and checks what log_reader::verify() promises.
log_reader::report
verify_log(const std::shared_ptr<const pinned_store>& at, const opened_directory& opened, std::size_t threads);
/// Holds every table file against the checksums of its blocks.
log_reader::file_report verify_files(const rocks_store& store);

} // namespace consortium::log
