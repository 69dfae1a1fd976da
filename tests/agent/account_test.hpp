#pragma once
#include "agent/account_relay.hpp"
#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "consortium/e2ee/pairing.hpp"
#include "identity/keystore.hpp"

namespace consortium::agent::testing
{

/// A machine that belongs to nobody yet, a played relay, and the owner of an account that the relay may have.
class account_test : public ::testing::Test
{
protected:
    /// The relay has the account, with a browser.
    void make_account()
    {
        auto chain = owner.chain();
        owner.add(chain, some_device());
        relay.chain = chain;
    }

    e2ee::pairing_answer honest_answer() const
    {
        const auto& head = relay.chain->head();
        return {owner.keys.login.public_key(),
                owner.keys.content.public_key(),
                owner.id,
                head.n,
                head.hash,
                random_array<32>()};
    }
    /// Plays the dashboard up to its answer. What it knows of the code comes back.
    static bytes answer(account_relay::pairing& asked, const e2ee::pairing_link& link, const e2ee::pairing_answer& what)
    {
        return answer_with(
            asked, link,
            e2ee::pairing_answer_make(link.secret, pairing_transcript(account_relay::request_of(asked)), what));
    }
    static bytes answer_with(account_relay::pairing& asked, const e2ee::pairing_link& link, bytes plain)
    {
        asked.response = base64_encode(box_bundle_seal(link.public_key, plain).value());
        asked.status = "answered";
        return plain;
    }
    /// Once the agent has revealed its nonce.
    static e2ee::pairing_code
    code(const account_relay::pairing& asked, const e2ee::pairing_link& link, const bytes& answered)
    {
        const auto nonce = to_array<32>(base64_decode(asked.nonce).value());
        return e2ee::pairing_code_of(
            link.secret, pairing_transcript(account_relay::request_of(asked)), answered, nonce);
    }

    fresh_directory place;
    keystore store = keystore::open(place.path() / "state").value();
    boost::asio::io_context io;
    account_relay relay;
    std::unique_ptr<relay_client> client = relay_client::make(io.get_executor(), relay.url(), {}).value();
    manual_clock clock{1'700'000'000'000};
    manual_boot_clock spans;
    account_owner owner;
};

} // namespace consortium::agent::testing
