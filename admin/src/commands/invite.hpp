#pragma once
#include "report.hpp"
#include "source.hpp"

namespace consortium::admin
{

struct invite_options
{
    source_options source;
    /// Where people find the relay. Without it: what a running relay says.
    std::string url;
    std::chrono::hours lifetime = std::chrono::duration_cast<std::chrono::hours>(limits::invitation_lifetime);
};

/// Lets one more account be made, beside a running relay or without; shows code, link and QR code.
exit_code invite(const invite_options& options);

} // namespace consortium::admin
