#pragma once
#include "consortium/log/event_log.hpp"
#include "row_codec.hpp"

namespace consortium::log
{

/// open_scratch_views() for whoever holds the rows' keys; `codec` must outlive the views.
result<std::unique_ptr<scratch_views>>
make_scratch_views(const std::filesystem::path& directory, const row_codec& codec, const domain& rules);

} // namespace consortium::log
