#pragma once
#include "report.hpp"
#include "source.hpp"
#include <string>

namespace consortium::admin
{

struct mirror_options
{
    std::filesystem::path data;
    bool json = false;
};

// Of the running relay, which alone writes to its mirror.
exit_code mirror_status(const mirror_options& options);
exit_code mirror_rebuild(const mirror_options& options);
exit_code mirror_verify(const mirror_options& options);

/// Prints the SQL that lets a role read the mirror and do nothing else. Asks nobody.
exit_code mirror_grant(const std::string& role);

} // namespace consortium::admin
