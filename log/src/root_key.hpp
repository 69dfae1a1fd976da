#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/secret.hpp"
#include <filesystem>
#include <string_view>

/// DIR/root.key: the root key, wrapped under the master secret. Bytes: docs/log-format.md, "root.key".
namespace consortium::log
{

inline constexpr std::size_t master_secret_bytes_min = 32;

/// Writes a new root key in the first of two slots. errc::bad_request for a master secret that is too short.
result<key256> create_root_key(const std::filesystem::path& path, std::string_view master_secret);

/// errc::wrong_secret if no slot opens; errc::corrupt if no slot is intact; errc::newer_version.
result<key256> open_root_key(const std::filesystem::path& path, std::string_view master_secret);

} // namespace consortium::log
