#pragma once
#include "consortium/log/adoption.hpp"
#include "seams.hpp"

namespace consortium::log
{

/// adopt_log() with moments between its steps that tests may see.
result<adoption>
adopt_log_over(const log_options& options, const domain& rules, const consent& agree, const seams& below);

} // namespace consortium::log
