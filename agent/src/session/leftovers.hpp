#pragma once
#include "identity/device_directory.hpp"
#include "identity/keystore.hpp"
#include "link/relay_client.hpp"
#include "terminal/screen.hpp"

namespace consortium::agent
{

/// For as long as the program runs: sends what earlier sessions of this account could not, moves to the trash those of
/// which the relay says that they are gone, takes out of it what the relay shows again, and destroys what lay there
/// long enough. Sessions that another process runs are left alone. Never ends by itself.
asio::awaitable<void> look_after_leftovers(
    const keystore& store, identity who, relay_client& relay, device_directory& devices, screen& out,
    const clock_source& clock);

/// The same, once. False: something is left to be done that needs the relay.
asio::awaitable<bool> look_after_leftovers_once(
    const keystore& store, const identity& who, relay_client& relay, device_directory& devices, screen& out,
    const clock_source& clock);

/// Takes out of the trash what the relay shows again, of one project folder or of all, and destroys what it says that a
/// browser deleted. False: the relay is not reached.
asio::awaitable<bool> bring_back(
    const keystore& store, const identity& who, relay_client& relay, device_directory& devices, screen& out,
    std::optional<std::string> directory);

} // namespace consortium::agent
