#pragma once
#include "keystore.hpp"
#include "relay_client.hpp"
#include "terminal_input.hpp"

namespace consortium::agent
{

/// What a person goes through to make this machine part of an account.
class first_run
{
public:
    first_run(const keystore& store, relay_client& relay, terminal_input& input, const clock_source& clock)
        : store_(store), relay_(relay), input_(input), clock_(clock)
    {
    }

    /// Asks which way, and goes it. What comes back is stored. errc::cancelled when the person said no on the way.
    asio::awaitable<result<identity>> choose();
    /// This machine made the account: once a browser has signed in too, offers to forget the secret here.
    asio::awaitable<result<void>> offer_to_forget(identity& who);

private:
    asio::awaitable<result<identity>> pair();
    asio::awaitable<result<identity>> start_here();
    result<ed25519_key> device();
    result<void> keep(const identity& who);

    const keystore& store_;
    relay_client& relay_;
    terminal_input& input_;
    const clock_source& clock_;
    std::optional<key256> device_seed_;
};

/// What people call this machine.
std::string host_name();

} // namespace consortium::agent
