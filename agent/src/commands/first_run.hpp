#pragma once
#include "identity/device_book.hpp"
#include "identity/keystore.hpp"
#include "identity/pairing.hpp"
#include "identity/sign_in.hpp"
#include "link/relay_client.hpp"
#include "terminal/screen.hpp"
#include "terminal/terminal_input.hpp"

namespace consortium::agent
{

/// What a person goes through to make this machine part of an account.
class first_run
{
public:
    /// `invitation`: as it was given on the command line; without one it is asked for when the relay wants it.
    first_run(
        const keystore& store, relay_client& relay, terminal_input& input, const clock_source& clock,
        const boot_clock& spans, std::string invitation = {})
        : store_(store), relay_(relay), input_(input), clock_(clock), spans_(spans), invitation_(std::move(invitation))
    {
    }

    /// Goes on with what was begun here and not finished, or asks which way, and goes it. What comes back is stored.
    /// errc::cancelled when the person said no on the way.
    asio::awaitable<result<identity>> choose();
    /// This machine made the account: once a browser has signed in too, offers to forget the secret here.
    asio::awaitable<result<void>> offer_to_forget(identity& who);

private:
    asio::awaitable<result<std::optional<identity>>> go_on();
    asio::awaitable<result<std::optional<identity>>> wait_for_confirmation(unconfirmed_pairing kept);
    asio::awaitable<result<identity>> pair();
    asio::awaitable<result<identity>> compare(pairing_attempt& attempt);
    asio::awaitable<result<std::string>> ask_for_digits(pairing_attempt& attempt);
    asio::awaitable<result<pairing_attempt::state>>
    wait_while(pairing_attempt& attempt, pairing_attempt::state here, own_text waits);
    asio::awaitable<result<identity>> start_here();
    asio::awaitable<result<identity>> show_secret(identity who);
    asio::awaitable<result<identity>> type_secret();
    asio::awaitable<result<identity>> sign_in(unfinished_sign_in what);
    asio::awaitable<result<identity>> make_account(unfinished_sign_in& what);
    asio::awaitable<result<std::unique_ptr<device_book>>> read_book(const identity& who);
    asio::awaitable<result<void>> show_devices(const identity& who, const key256& secret);
    asio::awaitable<result<bool>> has_browser(const identity& who);

    const keystore& store_;
    relay_client& relay_;
    terminal_input& input_;
    const clock_source& clock_;
    const boot_clock& spans_;
    std::string invitation_;
};

} // namespace consortium::agent
