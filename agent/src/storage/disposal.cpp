#include "storage/disposal.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/signed_deletion.hpp"
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

std::optional<signed_deletion> read_deletion(const unchecked& said)
{
    const auto device = base64_decode(said.text("device"));
    const auto signature = base64_decode(said.text("signature"));
    signed_deletion out;
    if (!device || !signature || device->size() != out.device.size() || signature->size() != out.signature.size())
        return std::nullopt;
    out.device = to_array<32>(*device);
    out.signature = to_array<64>(*signature);
    return out;
}

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

std::optional<verified_deletion> verified_deletion::verify(
    const unchecked& said, const std::string& account, const std::string& session, const device_directory& devices)
{
    const auto owner = parse_uuid<account_id>(account);
    const auto which = parse_uuid<session_id>(session);
    const auto given = read_deletion(said);
    if (!owner || !which || !given || !is_deletion_of(*given, *owner, *which))
        return std::nullopt;
    const auto signer = devices.find(given->device);
    if (!signer || signer->revoked || signer->kind != device_kind::browser)
        return std::nullopt;
    return verified_deletion();
}

asio::awaitable<evidence>
weigh_deletion(unchecked said, hearsay otherwise, std::string account, std::string session, device_directory& devices)
{
    const auto given = read_deletion(said);
    if (!given)
        co_return otherwise;
    if (!devices.find(given->device))
        (void)co_await devices.read_chain(); // when it cannot be read, it stays unknown
    if (auto proof = verified_deletion::verify(said, account, session, devices))
        co_return std::move(*proof);
    co_return otherwise;
}

asio::awaitable<std::optional<evidence>>
weigh_refusal(relay_failure failure, std::string account, std::string session, device_directory& devices)
{
    const auto heard = hearsay_of(failure);
    if (!heard)
        co_return std::nullopt;
    const auto deletion = failure.said.object("deletion");
    if (*heard != hearsay::not_found || !deletion)
        co_return *heard;
    co_return co_await weigh_deletion(*deletion, *heard, std::move(account), std::move(session), devices);
}

disposal decide(const evidence& what) noexcept
{
    return std::holds_alternative<hearsay>(what) ? disposal::to_trash : disposal::destroy;
}

} // namespace consortium::agent
