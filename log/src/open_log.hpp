#pragma once
#include "consortium/log/event_log.hpp"
#include "seams.hpp"

namespace consortium::log
{

/// open_log() over a disk and a witness that tests may break.
result<std::unique_ptr<event_log>> open_log_over(
    const log_options& options, const domain& rules, commit_sink& sink, const clock_source& clock, const seams& below);

} // namespace consortium::log
