#include "identity/keystore.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include <boost/json.hpp>
#include <cstdlib>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto identity_file = "identity.json";
constexpr auto device_file = "device.key";
constexpr auto local_file = "local.key";
constexpr auto log_file = "relay-log.json";
constexpr auto lock_file = "lock";
constexpr std::int64_t format = 1;

template <std::size_t N>
bool read_array(const json::object& from, std::string_view name, byte_array<N>& out)
{
    const auto data = base64_decode(text_at(from, name));
    if (!data || data->size() != N)
        return false;
    out = to_array<N>(*data);
    return true;
}

} // namespace

result<std::filesystem::path> keystore::default_directory()
{
    if (const char* home = std::getenv("CONSORTIUM_HOME"); home != nullptr && *home != '\0')
        return std::filesystem::absolute(home);
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
        return std::filesystem::path(home) / ".consortium";
    return fail(errc::not_found, "HOME is not set. Name a directory in CONSORTIUM_HOME.");
}

result<keystore> keystore::open(std::filesystem::path directory, crash_point at)
{
    if (const auto made = make_private_directory(directory); !made)
        return std::unexpected(made.error());
    keystore out(std::move(directory), std::move(at));
    if (const auto made = make_private_directory(out.sessions()); !made)
        return std::unexpected(made.error());
    // A crash in the middle of a replacement leaves its half beside the file, with what may have been forgotten since.
    const auto lock = file_lock::wait(out.directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(out.directory_, ignored))
    {
        if (entry.path().filename().string().find(replacement_mark) != std::string::npos)
            std::filesystem::remove(entry.path(), ignored);
    }
    return out;
}

result<std::optional<identity>> keystore::load_identity() const
{
    const auto file = directory_ / identity_file;
    const auto content = read_file(file);
    if (!content && content.error() == errc::not_found)
        return std::optional<identity>();
    if (!content)
        return std::unexpected(content.error());

    const auto damaged = [&]
    {
        return fail(
            errc::corrupt, file.string() + " is damaged. Remove it and pair this machine again with `consortium`.");
    };
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(*content).data(), content->size()), problem);
    const auto* object = problem ? nullptr : value.if_object();
    if (object == nullptr)
        return damaged();
    if (number_at(*object, "format") > format)
        return fail(errc::newer_version, file.string() + " was written by a newer version of consortium.");

    identity out;
    out.server_url = text_at(*object, "server");
    out.account_id = text_at(*object, "account");
    out.token = text_at(*object, "token");
    out.since = number_at(*object, "since");
    if (out.server_url.empty() || out.account_id.empty() || out.token.empty() ||
        !read_array(*object, "accountKey", out.account_key) || !read_array(*object, "contentKey", out.content_key))
        return damaged();
    if (object->contains("accountSecret"))
    {
        byte_array<32> secret{};
        if (!read_array(*object, "accountSecret", secret))
            return damaged();
        out.account_secret = key256(secret);
    }
    return std::optional(std::move(out));
}

result<void> keystore::save_identity(const identity& value) const
{
    json::object out{
        {"format", format},
        {"server", value.server_url},
        {"account", value.account_id},
        {"token", value.token},
        {"accountKey", base64_encode(value.account_key)},
        {"contentKey", base64_encode(value.content_key)},
        {"since", value.since}};
    if (value.account_secret)
        out["accountSecret"] = base64_encode(value.account_secret->view());
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    return replace_file(directory_ / identity_file, view(json::serialize(out)), at_);
}

result<std::optional<key256>> keystore::load_key(const char* name) const
{
    auto content = read_file(directory_ / name);
    if (!content && content.error() == errc::not_found)
        return std::optional<key256>();
    if (!content)
        return std::unexpected(content.error());
    if (content->size() != key256::size())
        return fail(errc::corrupt, (directory_ / name).string() + " is damaged.");
    const auto key = key256::from(*content);
    wipe(*content);
    return std::optional(key);
}

result<std::optional<key256>> keystore::load_device_seed() const
{
    return load_key(device_file);
}

result<void> keystore::save_device_seed(const key256& seed) const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    return replace_file(directory_ / device_file, seed.view(), at_);
}

result<key256> keystore::local_key() const
{
    // Two agents may start at once: only one of them may make it.
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    const auto known = load_key(local_file);
    if (!known)
        return std::unexpected(known.error());
    if (*known)
        return **known;
    const auto made = key256::random();
    if (const auto saved = replace_file(directory_ / local_file, made.view(), at_); !saved)
        return std::unexpected(saved.error());
    return made;
}

result<log_memory> keystore::load_log_memory() const
{
    const auto content = read_file(directory_ / log_file);
    if (!content && content.error() == errc::not_found)
        return log_memory();
    if (!content)
        return std::unexpected(content.error());
    auto memory = read_log_memory(text(*content));
    if (!memory)
        return fail(
            memory.error().code, (directory_ / log_file).string() + ": " + memory.error().detail +
                                     ". Remove the file to begin anew with what the relay shows next.");
    return memory;
}

result<void> keystore::update_log_memory(const std::function<void(log_memory&)>& change) const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    const auto before = load_log_memory();
    if (!before)
        return std::unexpected(before.error());
    auto memory = *before;
    change(memory);
    if (memory == *before)
        return {};
    return replace_file(directory_ / log_file, view(write_log_memory(memory)), at_);
}

result<std::optional<json::object>> keystore::load_object(const std::string& name) const
{
    const auto file = directory_ / name;
    const auto content = read_file(file);
    if (!content && content.error() == errc::not_found)
        return std::optional<json::object>();
    if (!content)
        return std::unexpected(content.error());
    boost::system::error_code problem;
    auto value = json::parse(json::string_view(text(*content).data(), content->size()), problem);
    if (problem || !value.is_object())
        return fail(errc::corrupt, file.string() + " is damaged.");
    if (number_at(value.get_object(), "format") > format)
        return fail(errc::newer_version, file.string() + " was written by a newer version of consortium.");
    return std::optional(std::move(value.get_object()));
}

result<void> keystore::write_object(const std::string& name, json::object value) const
{
    value["format"] = format;
    return replace_file(directory_ / name, view(json::serialize(value)), at_);
}

result<void> keystore::save_object(const std::string& name, json::object value) const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    return write_object(name, std::move(value));
}

result<void>
keystore::change_object(const std::string& name, const std::function<result<void>(json::object& value)>& change) const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    const auto before = load_object(name);
    if (!before)
        return std::unexpected(before.error());
    auto value = before->value_or(json::object());
    if (auto changed = change(value); !changed)
        return changed;
    if (*before && value == **before)
        return {};
    return write_object(name, std::move(value));
}

result<void> keystore::forget_object(const std::string& name) const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    return remove_file(directory_ / name);
}

result<void> keystore::forget_account() const
{
    const auto lock = file_lock::wait(directory_ / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    // The identity first: without it nothing of the rest is used any more.
    if (auto removed = remove_file(directory_ / identity_file); !removed)
        return removed;
    std::error_code problem;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, problem))
    {
        const auto name = entry.path().filename().string();
        if (name == device_file || name == "pairing.json" || name == "sign-in.json" || name.starts_with("devices-"))
            files.push_back(entry.path());
    }
    for (const auto& file : files)
    {
        if (auto removed = remove_file(file); !removed)
            return removed;
    }
    return {};
}

} // namespace consortium::agent
