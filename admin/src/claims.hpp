#pragma once
#include "consortium/common/checkpoint.hpp"
#include "consortium/log/event_log.hpp"
#include <optional>
#include <string>

/// What a relay once said under signature, held against its log.
namespace consortium::admin
{

/// The content of a file, or of standard input for "-". errc::too_large above what any note has.
result<std::string> read_note(const std::filesystem::path& path);

/// Who signed `note`, if it was this log's key. The log may have had another id then (a log that was adopted with
/// losses has a new one); its key stays.
note::verifier signer_of(std::string_view note, const note::verifier& now);

/// Why the log does not hold the tree that was claimed; empty: it does. Errors: the log cannot be read.
result<std::optional<std::string>> find_contradiction(const log::log_reader& source, const checkpoint& claimed);

} // namespace consortium::admin
