#pragma once
#include "consortium/net/http_client.hpp"
#include "consortium/net/websocket.hpp"

namespace consortium::net
{

/// Dials ws:// or wss:// (http and https mean the same). Runs on the calling coroutine's executor, to which the
/// WebSocket then belongs. Errors: as http_client::send; errc::unavailable when the server answered
/// something else than 101, whatever it was (`detail` holds the status and a piece of the body).
asio::awaitable<result<std::unique_ptr<websocket>>>
connect_websocket(std::string url, http_headers headers = {}, client_options options = {});

} // namespace consortium::net
