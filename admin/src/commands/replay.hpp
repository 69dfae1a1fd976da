#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct replay_options
{
    source_options source;
    /// The directory under which the views are rebuilt; empty: beside the data directory.
    std::filesystem::path scratch;
    bool json = false;
};

/// Rebuilds the views from the log alone and compares them with those the relay serves; prints what it found.
exit_code replay_check(const replay_options& options);

} // namespace consortium::admin
