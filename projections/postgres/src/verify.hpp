#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/postgres/mirror.hpp"
#include <pqxx/transaction_base>

namespace consortium::postgres
{

/// Holds every row of the mirror, as `in` sees it, against the log and the views of `at`, whose head the mirror must
/// have reached. Throws what libpqxx does; an error of the log or the views is the result.
result<verify_report> verify_rows(pqxx::transaction_base& in, const log::snapshot& at);

} // namespace consortium::postgres
