#include "link/from_relay.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/printable.hpp"
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

/// Longer waits than this are not taken from anybody.
constexpr std::chrono::milliseconds retry_max = std::chrono::minutes(10);

/// The codes of docs/protocol.md 2.
std::optional<errc> code_named(std::string_view name)
{
    constexpr std::array known{
        errc::bad_request,
        errc::unauthorized,
        errc::forbidden,
        errc::revoked,
        errc::not_found,
        errc::conflict,
        errc::too_large,
        errc::rate_limited,
        errc::overloaded,
        errc::quota,
        errc::invitation_required,
        errc::registration_closed,
        errc::wrong_origin,
        errc::version_mismatch,
        errc::expired,
        errc::timeout,
        errc::closed,
        errc::unavailable,
        errc::internal};
    const auto found = std::ranges::find(known, name, word);
    return found != known.end() ? std::optional(*found) : std::nullopt;
}

std::string describe(unsigned status, std::string_view body)
{
    const auto begin = body.find_first_not_of(" \t\r\n");
    const bool page = begin != std::string_view::npos && body[begin] == '<';
    auto out = "HTTP " + std::to_string(status) + (page ? ", a web page" : "");
    if (!page && begin != std::string_view::npos)
        out += ", “" + printable(body.substr(0, 400), 60) + "”";
    return out;
}

} // namespace

std::string unchecked::text(std::string_view name, std::size_t bytes_max) const
{
    const auto* value = value_->if_contains(name);
    const auto* found = value != nullptr ? value->if_string() : nullptr;
    return found != nullptr && found->size() <= bytes_max ? std::string(*found) : std::string();
}

std::string unchecked::uuid(std::string_view name) const
{
    auto found = text(name);
    return parse_uuid<stream_id>(found) ? found : std::string();
}

std::int64_t unchecked::number(std::string_view name) const
{
    const auto* value = value_->if_contains(name);
    boost::system::error_code does_not_fit;
    const auto found =
        value != nullptr && value->is_number() ? value->to_number<std::int64_t>(does_not_fit) : std::int64_t(0);
    return does_not_fit ? 0 : std::max<std::int64_t>(found, 0);
}

bool unchecked::flag(std::string_view name) const
{
    const auto* value = value_->if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<unchecked> unchecked::object(std::string_view name) const
{
    const auto* value = value_->if_contains(name);
    const auto* found = value != nullptr ? value->if_object() : nullptr;
    if (found == nullptr)
        return std::nullopt;
    return unchecked(std::shared_ptr<const json::object>(value_, found));
}

bool unchecked::has_list(std::string_view name) const
{
    const auto* value = value_->if_contains(name);
    return value != nullptr && value->is_array();
}

std::vector<unchecked> unchecked::objects(std::string_view name) const
{
    std::vector<unchecked> out;
    if (!has_list(name))
        return out;
    for (const auto& each : value_->at(name).get_array())
    {
        if (const auto* found = each.if_object())
            out.push_back(unchecked(std::shared_ptr<const json::object>(value_, found)));
    }
    return out;
}

std::optional<std::vector<std::string>> unchecked::texts(std::string_view name, std::size_t bytes_max) const
{
    if (!has_list(name))
        return std::nullopt;
    std::vector<std::string> out;
    for (const auto& each : value_->at(name).get_array())
    {
        const auto* found = each.if_string();
        if (found == nullptr || found->size() > bytes_max)
            return std::nullopt;
        out.emplace_back(*found);
    }
    return out;
}

bool worth_retrying(const error& problem) noexcept
{
    switch (problem.code)
    {
    case errc::io:
    case errc::timeout:
    case errc::closed:
    case errc::rate_limited:
    case errc::overloaded:
    case errc::quota:
    case errc::unavailable:
    case errc::internal:
    case errc::cancelled:
        return true;
    default:
        return problem.retry.has_value();
    }
}

bool is_denial(const relay_failure& failure) noexcept
{
    return failure.by_relay && (failure == errc::unauthorized || failure == errc::revoked);
}

relay_failure relay_failure::not_reached(error why)
{
    // A peer that is no relay, or none that we understand, may be one tomorrow.
    if (!worth_retrying(why))
        why.code = errc::unavailable;
    why.detail = printable(why.detail);
    return {std::move(why)};
}

relay_failure relay_failure::stranger(std::string_view where, std::string_view what)
{
    relay_failure out{
        {errc::unavailable,
         "something else answers in the relay's place at " + printable(where) + ": " + std::string(what) +
             ". A proxy, the sign-in page of a network, or another address than the relay's: open it in a browser",
         std::nullopt}};
    out.by_stranger = true;
    return out;
}

std::optional<relay_failure> relay_failure::parse_refusal(const unchecked& said, std::string_view text)
{
    const auto code = code_named(said.text("code"));
    const auto* value = said.for_parser().if_contains(text);
    const auto* words = value != nullptr ? value->if_string() : nullptr;
    const auto* retry = said.for_parser().if_contains("retry");
    const bool known_retry = retry != nullptr && ((retry->is_bool() && !retry->get_bool()) ||
                                                  (retry->is_int64() && retry->get_int64() >= 0));
    if (!code || words == nullptr || !known_retry)
        return std::nullopt;
    relay_failure out;
    out.code = *code;
    out.detail = printable(*words);
    if (out.detail.empty())
        out.detail = word(*code);
    if (retry->is_int64())
        out.retry = std::min(retry_max, std::chrono::milliseconds(retry->get_int64()));
    out.by_relay = true;
    out.said = said;
    return out;
}

relay_answer<unchecked>
judge_answer(std::string_view where, unsigned status, std::string_view body, std::string_view member)
{
    boost::system::error_code problem;
    auto value = json::parse(json::string_view(body.data(), body.size()), problem);
    if (!problem && value.is_object())
    {
        unchecked said(std::move(value.get_object()));
        if (status >= 200 && status <= 299 && said.has(member))
            return said;
        if (status >= 400)
        {
            if (auto refusal = relay_failure::parse_refusal(said, "error"))
                return std::unexpected(std::move(*refusal));
        }
    }
    auto failure = relay_failure::stranger(where, describe(status, body));
    failure.size_refused = status == 413;
    return std::unexpected(std::move(failure));
}

} // namespace consortium::agent
