#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct receipt_options
{
    std::filesystem::path file; ///< "-": standard input
    /// The log whose key must have signed, and which must hold the receipt's tree; or
    source_options source;
    /// that key, as GET /v1/log/key says it.
    std::string key;
};

/// Checks a deletion receipt and prints what it says.
exit_code check_receipt(const receipt_options& options);

} // namespace consortium::admin
