#pragma once
#include "base/files.hpp"
#include "consortium/common/box.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/sign.hpp"
#include "identity/log_witness.hpp"
#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace consortium::agent
{

/// To which account at which relay this machine belongs.
struct identity
{
    std::string server_url;
    std::string account_id;
    std::string token;
    ed25519_public account_key{};
    x25519_public content_key{};
    unix_millis since = 0;
    /// Only while this machine made the account and nobody has taken the secret over yet.
    std::optional<key256> account_secret;
};

/// What this machine keeps: below ~/.consortium or CONSORTIUM_HOME, directories 0700, files 0600, each file replaced as
/// a whole. Several agents may use it at once.
class keystore
{
public:
    /// Makes what is missing. errc::io when it cannot be written.
    static result<keystore> open(std::filesystem::path directory, crash_point at = {});
    /// CONSORTIUM_HOME, or ~/.consortium. errc::not_found when neither is set.
    static result<std::filesystem::path> default_directory();

    /// Empty: not paired. errc::corrupt when the file is not ours to understand: never taken for "not paired".
    result<std::optional<identity>> load_identity() const;
    result<void> save_identity(const identity& value) const;

    /// This machine's own key; empty before the first save_device_key().
    result<std::optional<key256>> load_device_seed() const;
    result<void> save_device_seed(const key256& seed) const;

    /// What lies on disk and is not yet sealed for the account is sealed under this. Made on first use.
    result<key256> local_key() const;

    /// What is remembered of the relay's log (log_checker.hpp). errc::corrupt: never taken for "nothing".
    result<log_memory> load_log_memory() const;
    /// Read, changed and written while nobody else does.
    result<void> update_log_memory(const std::function<void(log_memory&)>& change) const;

    /// A small file of one JSON object. Empty: there is none. errc::corrupt; errc::newer_version.
    result<std::optional<boost::json::object>> load_object(const std::string& name) const;
    /// Synced when it returns.
    result<void> save_object(const std::string& name, boost::json::object value) const;
    /// Read, changed and written while nobody else does. An error of `change` changes nothing.
    result<void>
    change_object(const std::string& name, const std::function<result<void>(boost::json::object& value)>& change) const;
    result<void> forget_object(const std::string& name) const;
    /// The account, this machine's own key, and what is known of the account's devices, are gone from here.
    result<void> forget_account() const;

    std::filesystem::path sessions() const { return directory_ / "sessions"; }
    std::filesystem::path trash() const { return directory_ / "trash"; }
    const std::filesystem::path& directory() const noexcept { return directory_; }

private:
    keystore(std::filesystem::path directory, crash_point at) : directory_(std::move(directory)), at_(std::move(at)) {}
    result<std::optional<key256>> load_key(const char* name) const;
    result<void> write_object(const std::string& name, boost::json::object value) const;

    std::filesystem::path directory_;
    crash_point at_;
};

} // namespace consortium::agent
