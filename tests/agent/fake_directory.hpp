#pragma once
#include "identity/device_directory.hpp"
#include <map>

namespace consortium::agent::testing
{

/// A directory that knows what a test tells it.
class fake_directory final : public device_directory
{
public:
    std::map<ed25519_public, known> devices;
    std::map<ed25519_public, known> at_the_relay; ///< what read_chain() brings
    std::optional<error> unreadable;              ///< what it meets instead
    int reads = 0;
    std::vector<bytes> learned;
    /// What comes with statements that another device hands over.
    std::map<ed25519_public, known> handed_over;

    void add(const ed25519_public& device, device_kind kind = device_kind::browser)
    {
        devices[device] = {kind, false, "a device"};
    }
    void revoke(const ed25519_public& device) { devices.at(device).revoked = true; }

    std::optional<known> find(const ed25519_public& device) const override
    {
        const auto found = devices.find(device);
        return found == devices.end() ? std::nullopt : std::optional(found->second);
    }
    std::string digest() const override { return std::to_string(devices.size()); }
    std::vector<bytes> statements() const override { return learned; }
    asio::awaitable<result<void>> read_chain() override
    {
        ++reads;
        if (unreadable)
            co_return std::unexpected(*unreadable);
        devices.insert(at_the_relay.begin(), at_the_relay.end());
        co_return result<void>();
    }
    result<bool> learn(const std::vector<bytes>& statements) override
    {
        learned.insert(learned.end(), statements.begin(), statements.end());
        const auto before = devices.size();
        devices.insert(handed_over.begin(), handed_over.end());
        return devices.size() > before;
    }
};

} // namespace consortium::agent::testing
