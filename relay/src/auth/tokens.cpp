#include "auth/tokens.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/protocol/v1/json.hpp"

namespace consortium::relay
{
namespace
{

// {"alg":"EdDSA"}
constexpr std::string_view header_segment = "eyJhbGciOiJFZERTQSJ9";

std::unexpected<error> invalid()
{
    return fail(errc::unauthorized, "Invalid token");
}

} // namespace

std::string token_signer::make(const token_claims& claims, unix_millis now) const
{
    // Clients read the payload with standard base64: it must come out without '-' and '_'. ASCII without '>', '?',
    // '~' and DEL does, and ids and numbers are that.
    std::string payload;
    protocol::v1::json_writer(payload)
        .begin_object()
        .field("sub", to_string(claims.account))
        .field("jti", to_string(claims.device))
        .field("g", claims.sign_outs)
        .field("iat", now / 1000)
        .end_object();
    std::string token(header_segment);
    token += '.';
    token += base64url_encode(view(payload));
    const auto signature = key_.sign(view(token));
    token += '.';
    token += base64url_encode(signature);
    return token;
}

result<token_claims> token_signer::verify(std::string_view token) const
{
    const auto last = token.rfind('.');
    if (last == std::string_view::npos)
        return invalid();
    const auto signed_part = token.substr(0, last);
    const auto first = signed_part.find('.');
    if (first == std::string_view::npos || signed_part.substr(0, first) != header_segment)
        return invalid();
    const auto signature = base64url_decode(token.substr(last + 1));
    if (!signature || !ed25519_verify(key_.public_key(), view(signed_part), *signature))
        return invalid();
    const auto payload = base64url_decode(signed_part.substr(first + 1));
    if (!payload)
        return invalid();
    const auto object = protocol::v1::parse_object_text(text(*payload));
    if (!object)
        return invalid();
    protocol::v1::field_reader fields(*object);
    const auto account = parse_uuid<account_id>(fields.text("sub", 64));
    const auto device = parse_uuid<device_id>(fields.text("jti", 64));
    const auto sign_outs = fields.integer("g", 0);
    if (!account || !device || fields.failed())
        return invalid();
    return token_claims{*account, *device, static_cast<std::uint64_t>(sign_outs)};
}

result<token_holder> find_holder(const log::snapshot& at, account_id account, device_id device)
{
    const auto known = projections::find_device_brief(at, account, device);
    if (!known)
        return std::unexpected(known.error());
    if (!known->exists())
        return fail(errc::not_found, "no statement names this device");
    return token_holder{{account, device, known->kind}, known->sign_outs, known->revoked};
}

authenticator::authenticator(const key256& seed, device_lookup lookup, std::size_t remembered_max)
    : signer_(seed), lookup_(std::move(lookup)), remembered_max_(remembered_max)
{
}

result<token_holder> authenticator::verify(std::string_view token)
{
    auto holder = verify_even_revoked(token);
    if (holder && holder->revoked)
        return fail(errc::revoked, "this device was revoked");
    return holder;
}

result<token_holder> authenticator::verify_even_revoked(std::string_view token)
{
    std::uint64_t epoch = 0;
    {
        const std::lock_guard lock(guard_);
        epoch = epoch_;
        if (const auto known = by_token_.find(token); known != by_token_.end())
        {
            by_use_.splice(by_use_.begin(), by_use_, known->second);
            return known->second->holder;
        }
    }
    const auto claims = signer_.verify(token);
    if (!claims)
        return std::unexpected(claims.error());
    const auto holder = lookup_(*claims);
    if (!holder)
    {
        // Signed by this relay, but its account is gone: as good as no token of ours.
        if (holder.error() == errc::not_found)
            return invalid();
        return holder;
    }
    if (claims->sign_outs != holder->sign_outs)
        return invalid();
    const std::lock_guard lock(guard_);
    if (epoch == epoch_ && !by_token_.contains(token))
    {
        by_use_.push_front({std::string(token), *holder});
        by_token_.emplace(by_use_.front().token, by_use_.begin());
        if (by_use_.size() > remembered_max_)
        {
            by_token_.erase(by_use_.back().token);
            by_use_.pop_back();
        }
    }
    return holder;
}

void authenticator::erase_if(const std::function<bool(const entry&)>& gone)
{
    const std::lock_guard lock(guard_);
    ++epoch_;
    for (auto at = by_use_.begin(); at != by_use_.end();)
    {
        if (!gone(*at))
        {
            ++at;
            continue;
        }
        by_token_.erase(at->token);
        at = by_use_.erase(at);
    }
}

void authenticator::forget(device_id device)
{
    erase_if([&](const entry& known) { return known.holder.who.device == device; });
}

void authenticator::forget(account_id account)
{
    erase_if([&](const entry& known) { return known.holder.who.account == account; });
}

} // namespace consortium::relay
