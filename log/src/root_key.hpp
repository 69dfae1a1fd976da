#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/log/master_secret.hpp"
#include "seams.hpp"
#include <filesystem>
#include <optional>
#include <string_view>

/// DIR/root.key: the root key, wrapped under the master secret. Bytes: docs/log-format.md, "root.key".
namespace consortium::log
{

/// Writes a new root key in the first of two slots. errc::bad_request for a master secret that is too short.
result<key256> create_root_key(const std::filesystem::path& path, std::string_view master_secret);

/// One of the file's two slots.
struct root_key_slot
{
    static constexpr std::size_t size_bytes = 256;

    /// Of Argon2id; RFC 9106 names them m, t and p.
    struct costs
    {
        std::uint32_t memory_kib = 0;
        std::uint32_t passes = 0;
        std::uint32_t lanes = 0;
    };
    costs derivation;
    byte_view salt;
    byte_view nonce;
    byte_view wrapped;       ///< the root key and its tag
    byte_view authenticated; ///< with it
};

/// Views into `slot`, which has size_bytes. errc::corrupt: empty, torn, or asks for what no version of ours ever wrote;
/// errc::newer_version.
result<root_key_slot> parse_slot(byte_view slot);

struct opened_root_key
{
    key256 key;
    /// The other slot is not empty: a rotation of the master secret did not come to its end, and what it should have
    /// made useless may still open the log. The next one clears it.
    bool rotation_unfinished = false;
};

/// errc::wrong_secret if no slot opens; errc::corrupt if no slot is intact; errc::newer_version.
result<opened_root_key> open_root_key(const std::filesystem::path& path, std::string_view master_secret);

/// The steps of rekey(), for whoever holds the directory's lock. One at a time.
result<void> rewrap_root_key(
    const std::filesystem::path& path, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file, const seams& below);

/// rekey() over a disk that tests may break.
result<void> rekey_over(
    const std::filesystem::path& directory, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file, const seams& below);

} // namespace consortium::log
