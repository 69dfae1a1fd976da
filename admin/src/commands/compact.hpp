#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

/// Wipes destroyed keys out of every file of the log, beside a running relay or without; says what was done.
exit_code compact(const source_options& source);

} // namespace consortium::admin
