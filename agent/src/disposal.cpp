#include "disposal.hpp"
#include <algorithm>
#include <array>

namespace consortium::agent
{
namespace
{

struct reason
{
    hearsay what;
    std::string_view word;
    std::string_view sentence;
};

constexpr std::array reasons{
    reason{hearsay::unsigned_deletion, "unsigned-deletion", "the relay says that it was deleted"},
    reason{hearsay::not_found, "not-found", "the relay says that it does not exist"},
    reason{hearsay::no_access, "no-access", "the relay says that this machine has no access to the account"},
    reason{hearsay::device_revoked, "device-revoked", "the relay says that this machine was revoked"}};

const reason& reason_of(hearsay what) noexcept
{
    return *std::ranges::find(reasons, what, &reason::what);
}

} // namespace

std::string_view word(hearsay what) noexcept
{
    return reason_of(what).word;
}

std::string_view sentence(hearsay what) noexcept
{
    return reason_of(what).sentence;
}

std::optional<hearsay> parse_hearsay(std::string_view word) noexcept
{
    const auto found = std::ranges::find(reasons, word, &reason::word);
    return found != reasons.end() ? std::optional(found->what) : std::nullopt;
}

std::optional<hearsay> hearsay_of(const relay_failure& failure) noexcept
{
    if (!failure.by_relay || worth_retrying(failure))
        return std::nullopt;
    switch (failure.code)
    {
    case errc::not_found:
        return hearsay::not_found;
    case errc::unauthorized:
        return hearsay::no_access;
    case errc::revoked:
        return hearsay::device_revoked;
    default:
        return std::nullopt;
    }
}

disposal decide(const evidence& what) noexcept
{
    return std::holds_alternative<hearsay>(what) ? disposal::to_trash : disposal::destroy;
}

} // namespace consortium::agent
