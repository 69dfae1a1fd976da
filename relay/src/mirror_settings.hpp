#pragma once
#include "config.hpp"
#include "consortium/postgres/mirror.hpp"
#include <optional>

namespace consortium::relay
{

/// The mirror that was asked for, docs/mirror.md. Empty: there is none. errc::bad_request: its URL is malformed, and
/// nothing of it is repeated.
result<std::optional<postgres::mirror_options>> mirror_of(const config& settings);

} // namespace consortium::relay
