#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/common/device_chain.hpp"
#include "consortium/e2ee/box.hpp"
#include "identity/device_directory.hpp"
#include "identity/keystore.hpp"
#include "link/relay_client.hpp"
#include <functional>
#include <memory>
#include <set>

namespace consortium::agent
{

/// What a relay's chain of devices was found to be when it was held against what this machine saw before.
enum class device_finding
{
    lacking, ///< devices or revocations that were seen are not in it, and it does not take them back
    invalid, ///< there are statements in it that prove nothing
};
std::string_view word(device_finding what) noexcept;
/// For people, one sentence.
std::string_view sentence(device_finding what) noexcept;

/// Stays until a person has acknowledged it.
struct device_alarm
{
    device_finding what{};
    std::string detail;
    unix_millis first = 0;
    unix_millis last = 0;
    std::uint64_t times = 1;

    friend bool operator==(const device_alarm&, const device_alarm&) = default;
};

/// The devices of one account as this machine keeps them, on disk, across relays' logs and restarts: all statements
/// that were ever seen, on any branch. Several agents share the file. Everything on one executor.
class device_book final : public device_directory
{
public:
    /// Reads what is kept. `own`: this machine's key. errc::corrupt, never taken for "nothing known"; errc::io.
    static result<std::unique_ptr<device_book>> open(
        const keystore& store, relay_client& relay, const account_id& account, const ed25519_public& account_key,
        const ed25519_public& own, const clock_source& clock);

    std::optional<known> find(const ed25519_public& device) const override;
    std::string digest() const override { return set_.digest(); }
    std::vector<bytes> statements() const override { return set_.statements(); }
    /// Also holds it against what is kept, and posts to the relay what a restored backup of it lost.
    asio::awaitable<result<void>> read_chain() override;
    result<bool> learn(const std::vector<bytes>& statements) override;

    /// Whether this machine belongs to the account, as far as statements say.
    device_standing own() const { return set_.standing_of(own_); }
    const device_set& set() const noexcept { return set_; }
    /// Names open with the account's secret alone, which a machine has only while it is the one that made the account.
    void open_names_with(e2ee::x25519_key content) { content_ = std::move(content); }

    const std::vector<device_alarm>& alarms() const noexcept { return alarms_; }
    /// The person knows of the alarms. How many there were.
    result<std::size_t> acknowledge();

    /// An alarm that was not there before.
    std::function<void(const device_alarm&)> on_alarm;
    /// What a person should read, and no alarm.
    std::function<void(const std::string&)> on_news;
    /// A statement revokes this machine. Once.
    std::function<void()> on_revoked;

private:
    device_book(
        const keystore& store, relay_client& relay, const account_id& account, const ed25519_public& account_key,
        const ed25519_public& own, const clock_source& clock);

    struct shown
    {
        device_chain chain;
        std::optional<error> ended_by; ///< why the list goes on behind the chain
    };
    asio::awaitable<relay_answer<shown>> ask();
    asio::awaitable<relay_answer<bool>> give_back(const device_chain& chain);
    result<bool> keep(std::span<const bytes> statements);
    result<void> raise(device_finding what, std::string detail);
    result<void> update(const std::function<result<void>()>& change);
    result<void> read(const boost::json::object& from);
    boost::json::object write() const;
    void tell_of_revocation();

    const keystore& store_;
    relay_client& relay_;
    const clock_source& clock_;
    ed25519_public own_;
    device_set set_;
    std::vector<device_alarm> alarms_;
    std::optional<e2ee::x25519_key> content_;
    std::set<device_finding> unkept_; ///< told, though it could not be written down
    bool revocation_told_ = false;
};

/// The name of the file that keeps the account's devices.
std::string device_file(const account_id& account);

} // namespace consortium::agent
