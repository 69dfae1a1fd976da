#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "consortium/e2ee/envelope.hpp"
#include <set>
#include <string>

namespace consortium::agent
{

struct rpc_call
{
    e2ee::bundle_id id;
    boost::json::value d;
};

/// Lets RPC requests in: authentic, for this session, method and process, made just now, each once.
class rpc_guard
{
public:
    rpc_guard(
        const key256& key, std::string account, std::string session, std::string instance, const clock_source& clock);

    /// errc::corrupt (not authentic), errc::wrong_origin (for another process), errc::expired, errc::conflict
    /// (repeated).
    result<rpc_call> open(const std::string& method, const std::string& params);
    /// The answer to what carried `id`, base64.
    result<std::string>
    seal(const std::string& method, const e2ee::bundle_id& id, const boost::json::value& answer) const;
    /// The id that `params` claims, or a random one: an error can be said even to what is not authentic.
    static e2ee::bundle_id claimed_id(const std::string& params);

private:
    key256 key_;
    std::string account_;
    std::string session_;
    std::string instance_;
    const clock_source& clock_;
    std::set<e2ee::bundle_id> seen_; ///< for the life of this process
};

} // namespace consortium::agent
