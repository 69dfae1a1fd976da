#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct verify_options
{
    source_options source;
    std::size_t threads = 1;
    /// A signed checkpoint that a client saved; empty: none to look for.
    std::filesystem::path checkpoint;
    /// Neither the files nor the views.
    bool log_only = false;
    /// The directory under which the views are rebuilt; empty: beside the data directory.
    std::filesystem::path scratch;
    bool json = false;
};

/// Opens every record of the log and holds it against commitments, tree, witness and a saved checkpoint, every file
/// against its checksums, and every view table against a replay; prints what it found.
exit_code verify(const verify_options& options);

} // namespace consortium::admin
