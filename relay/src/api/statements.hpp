#pragma once
#include "api/http.hpp"
#include "consortium/projections/views.hpp"

namespace consortium::relay::api
{

/// Appends those that the account's chain has not, all of them or none. errc::conflict: one is not the next;
/// errc::bad_request: it breaks a rule. `statements` must live until then.
asio::awaitable<result<void>>
append_statements(services& shared, projections::account_view account, std::span<const bytes> statements);

} // namespace consortium::relay::api
