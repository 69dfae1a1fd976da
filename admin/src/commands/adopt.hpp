#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct adopt_options
{
    source_options source;
    /// What is lost was read and is accepted.
    bool accept_loss = false;
    /// Where a copy of the data directory lies, as it is now.
    std::filesystem::path copy;
};

/// Says what of the log is lost; with consent and a copy, makes what is left the log.
exit_code adopt(const adopt_options& options);

} // namespace consortium::admin
