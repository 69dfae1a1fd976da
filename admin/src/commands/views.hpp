#pragma once
#include "report.hpp"
#include "source.hpp"
#include <string>

namespace consortium::admin
{

struct views_options
{
    source_options source;
    std::string table; ///< empty: all
};

/// Has a view table made anew from the log, by a running relay or without one; says what was done.
exit_code rebuild_views(const views_options& options);

} // namespace consortium::admin
