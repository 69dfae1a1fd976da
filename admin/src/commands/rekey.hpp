#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct rekey_options
{
    source_options source;
    /// Default: CONSORTIUM_NEW_MASTER_SECRET; without either a new one is made if the old one came from a file.
    std::filesystem::path new_secret_file;
};

/// Rotates the master secret, beside a running relay or without; says what to do before the next start.
exit_code rekey(const rekey_options& options);

} // namespace consortium::admin
