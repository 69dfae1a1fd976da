#include "rpc_guard.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include <boost/json.hpp>
#include <cstdlib>

namespace consortium::agent
{

rpc_guard::rpc_guard(
    const key256& key, std::string account, std::string session, std::string instance, const clock_source& clock)
    : key_(key),
      account_(std::move(account)),
      session_(std::move(session)),
      instance_(std::move(instance)),
      clock_(clock)
{
}

result<rpc_call> rpc_guard::open(const std::string& method, const std::string& params)
{
    const auto data = base64_decode(params);
    if (!data)
        return fail(errc::corrupt, "The request is not authentic.");
    const auto opened = e2ee::bundle_open(key_, {account_, session_, "rpc-request:" + method}, *data);
    if (!opened)
        return fail(errc::corrupt, "The request is not authentic.");
    auto words = e2ee::directed_parse(opened->plain);
    if (!words)
        return std::unexpected(words.error());
    if (words->to != instance_)
        return fail(errc::wrong_origin, "The request was meant for an agent process that has ended.");
    constexpr auto skew = std::chrono::milliseconds(limits::clock_skew_max).count();
    if (std::llabs(clock_.now() - words->at) > skew)
        return fail(errc::expired, "The request is too old, or one of the two clocks is wrong.");
    if (!seen_.insert(opened->id).second)
        return fail(errc::conflict, "The request was repeated.");
    return rpc_call{opened->id, std::move(words->d)};
}

result<std::string>
rpc_guard::seal(const std::string& method, const e2ee::bundle_id& id, const boost::json::value& answer) const
{
    const auto sealed = e2ee::bundle_seal(
        key_, {account_, session_, "rpc-response:" + method}, id, view(boost::json::serialize(answer)));
    if (!sealed)
        return std::unexpected(sealed.error());
    return base64_encode(*sealed);
}

e2ee::bundle_id rpc_guard::claimed_id(const std::string& params)
{
    if (const auto data = base64_decode(params))
    {
        if (const auto id = e2ee::bundle_claimed_id(*data))
            return *id;
    }
    return random_array<16>();
}

} // namespace consortium::agent
