#pragma once
#include "keystore.hpp"
#include "relay_client.hpp"

namespace consortium::agent
{

/// For the sessions of this machine that nobody runs: sends what still waits in their spools, and forgets those that
/// the relay says are deleted. Gives up quietly; the next start tries again.
asio::awaitable<void>
deliver_leftovers(const keystore& store, identity who, relay_client& relay, const clock_source& clock);

} // namespace consortium::agent
