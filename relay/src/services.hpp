#pragma once
#include "auth/challenges.hpp"
#include "auth/origins.hpp"
#include "auth/pairings.hpp"
#include "auth/tokens.hpp"
#include "byte_budget.hpp"
#include "client_address.hpp"
#include "config.hpp"
#include "consortium/projections/reach.hpp"
#include "hub/hub.hpp"
#include "limits.hpp"
#include "presence_service.hpp"
#include "prover.hpp"
#include "refusal_log.hpp"
#include "rpc_service.hpp"
#include <boost/asio/thread_pool.hpp>

namespace consortium::relay
{

using projections::intent;

class asset_store;
class readiness;

/// What the handlers share. Everything outlives the network threads and is thread-safe.
struct services
{
    const config& settings;
    const clock_source& clock;
    log::event_log& log;
    hub& commits;
    update_writer& updates;
    authenticator& tokens;
    challenge_book& challenges;
    pairing_book& pairings;
    const accepted_origins& origins;
    /// Requests without a token: logins and pairings. Taken from where requests are admitted, as the next three.
    projections::registration registration{};
    /// Requests without a token: logins and pairings.
    rate_limiter& guests;
    /// The same for asking how a pairing goes, which agents do every second.
    rate_limiter& pollers;
    /// Of bodies that are being received or answered.
    byte_budget& guest_bytes;
    byte_budget& account_bytes;
    /// Of what was made and is not taken.
    output_budget& output;
    const trusted_proxies& proxies;
    presence_service& presence;
    rpc_service& rpc;
    const asset_store& assets;
    /// Reads of unknown length go here: a network thread has others to serve.
    boost::asio::thread_pool& readers;
    prover& proofs;
    readiness& ready;
    /// Whatever is refused for being too much is said here, not in lines of its own.
    refusal_log& refusals;

    /// What everything that an address has or does is counted by. Empty, which nothing bounds: the relay was told to
    /// count none.
    std::string counted_as(const std::string& address) const
    {
        return settings.rate_limits ? address_key(address) : std::string();
    }
};

/// What a committed event voids is void at once: tokens of the device or the account, and the account's pairings.
inline void forget_voided(services& shared, const log::event& happened)
{
    const auto& header = happened.header;
    const auto known = log::describe(header.type);
    if (!known.voids_tokens())
        return;
    if (known.about == log::event_subject::account)
    {
        shared.tokens.forget(header.account);
        shared.pairings.forget(header.account);
    }
    else
        shared.tokens.forget(header.stream.as<device_id>());
}

} // namespace consortium::relay
