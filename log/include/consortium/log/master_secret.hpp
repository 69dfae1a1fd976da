#pragma once
#include "consortium/common/error.hpp"
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

/// The secret that opens a log: it wraps the root key, which wraps all others.
namespace consortium::log
{

/// Argon2id makes guessing dear, but not enough for a word.
inline constexpr std::size_t master_secret_bytes_min = 32;

/// A new one, of 256 random bits as text.
std::string make_master_secret();

/// Rotates the master secret of a log that nobody has open: wraps the root key under `new_secret`, has `secret_file`
/// (which must hold the old one) say the new one, and only then makes the old one useless. Nothing else is rewritten;
/// records, tokens and checkpoints stay as they are. Ended at any moment, it leaves a log that opens with what
/// `secret_file` says, and can be done again. A running relay does it by event_log::rekey().
/// Errors: errc::locked, errc::wrong_secret (also: another secret is in the file), errc::bad_request (too short, or
/// not new), errc::corrupt, errc::io.
result<void> rekey(
    const std::filesystem::path& directory, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file);

} // namespace consortium::log
