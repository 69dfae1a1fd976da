#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/device_kind.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/sign.hpp"
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{
namespace asio = boost::asio;

/// Which devices the account has, as far as this agent ever saw it proved (docs/protocol.md 2.3). What judges acts asks
/// here, and knows nothing of relay and disk.
class device_directory
{
public:
    struct known
    {
        device_kind kind = device_kind::agent;
        bool revoked = false;
        std::string name; ///< the account's name for it; empty where it does not open. Foreign text.
    };

    virtual ~device_directory() = default;

    /// Empty: no statement names it. Who meets such a device reads the chain before judging.
    virtual std::optional<known> find(const ed25519_public& device) const = 0;
    /// The hex digest that two ends compare.
    virtual std::string digest() const = 0;
    /// All that are kept, each behind the one that it names.
    virtual std::vector<bytes> statements() const = 0;
    /// Reads the relay's chain and learns it. Errors: the relay is not reached, or answers what proves nothing.
    virtual asio::awaitable<result<void>> read_chain() = 0;
    /// What another device of the account handed over. True: something was new, so the relay had held it back.
    /// errc::bad_request: one of them breaks a rule; nothing is learned. errc::io: it could not be kept.
    virtual result<bool> learn(const std::vector<bytes>& statements) = 0;
};

} // namespace consortium::agent
