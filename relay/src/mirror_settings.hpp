#pragma once
#include "consortium/postgres/mirror.hpp"
#include <optional>

namespace consortium::relay
{

/// DATABASE_URL and what goes with it, docs/mirror.md. Of the environment alone: a password may stand in the URL, and
/// an argument can be read by everybody on the machine. Empty: there is no mirror. errc::bad_request: malformed, and
/// nothing of it is repeated.
result<std::optional<postgres::mirror_options>> mirror_from_environment();

} // namespace consortium::relay
