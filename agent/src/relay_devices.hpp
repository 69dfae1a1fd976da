#pragma once
#include "consortium/common/device_chain.hpp"
#include "device_directory.hpp"
#include "keystore.hpp"
#include "relay_client.hpp"

namespace consortium::agent
{

/// The devices of the account as this process learned them from the relay, and from other devices.
class relay_devices final : public device_directory
{
public:
    relay_devices(const identity& who, account_id account, relay_client& relay)
        : relay_(relay), account_key_(who.account_key), known_(account, who.account_key)
    {
    }

    std::optional<known> find(const ed25519_public& device) const override;
    std::string digest() const override { return known_.digest(); }
    std::vector<bytes> statements() const override { return known_.statements(); }
    asio::awaitable<result<void>> read_chain() override;
    result<bool> learn(const std::vector<bytes>& statements) override { return known_.learn(statements); }

private:
    relay_client& relay_;
    ed25519_public account_key_;
    device_set known_;
};

} // namespace consortium::agent
