#include "consortium/common/error.hpp"
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace consortium
{

std::string_view word(errc code) noexcept
{
    switch (code)
    {
    case errc::bad_request:
        return "bad-request";
    case errc::unauthorized:
        return "unauthorized";
    case errc::forbidden:
        return "forbidden";
    case errc::revoked:
        return "revoked";
    case errc::not_found:
        return "not-found";
    case errc::conflict:
        return "conflict";
    case errc::version_mismatch:
        return "version-mismatch";
    case errc::too_large:
        return "too-large";
    case errc::rate_limited:
        return "rate-limited";
    case errc::overloaded:
        return "overloaded";
    case errc::quota:
        return "quota";
    case errc::invitation_required:
        return "invitation-required";
    case errc::registration_closed:
        return "registration-closed";
    case errc::wrong_origin:
        return "wrong-origin";
    case errc::expired:
        return "expired";
    case errc::timeout:
        return "timeout";
    case errc::cancelled:
        return "cancelled";
    case errc::closed:
        return "closed";
    case errc::unavailable:
        return "unavailable";
    case errc::stale_epoch:
        return "stale-epoch";
    case errc::locked:
        return "locked";
    case errc::wrong_secret:
        return "wrong-secret";
    case errc::newer_version:
        return "newer-version";
    case errc::corrupt:
        return "corrupt";
    case errc::log_truncated:
        return "log-truncated";
    case errc::io:
        return "io";
    case errc::internal:
        return "internal";
    }
    return "internal";
}

std::unexpected<error> fail(errc code, std::string detail)
{
    return std::unexpected(error{code, std::move(detail), std::nullopt});
}

std::unexpected<error> fail(errc code, std::string detail, std::chrono::milliseconds retry)
{
    return std::unexpected(error{code, std::move(detail), retry});
}

std::unexpected<error> fail_errno(std::string_view what, int saved_errno)
{
    return fail(errc::io, std::string(what) + ": " + std::generic_category().message(saved_errno));
}

void assertion_failed(const char* expression, const char* file, int line)
{
    std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
    std::abort();
}

} // namespace consortium
