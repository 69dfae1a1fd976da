#pragma once
#include "api/http.hpp"
#include "consortium/protocol/v1/receipt.hpp"

/// What the relay says under signature about a deletion: docs/protocol.md, "Deletion receipts".
namespace consortium::relay::api
{

/// `{success, receipt, proof}`, made on a reader thread. `done`: what the deletion committed; `said`: the receipt but
/// for its time and checkpoint.
asio::awaitable<net::http_response> answer_deletion(services& shared, committed_events done, v1::deletion_receipt said);

} // namespace consortium::relay::api
