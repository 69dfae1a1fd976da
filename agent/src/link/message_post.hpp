#pragma once
#include "link/relay_client.hpp"
#include "link/spool.hpp"

namespace consortium::agent
{

/// Where the messages of a session are read and written.
std::string messages_path(const std::string& session_id);

/// Sends them in one request. The answer counts only if it names every one of them.
asio::awaitable<relay_answer<void>>
post_messages(relay_client& relay, const std::string& session_id, const std::vector<spool_entry>& batch);

} // namespace consortium::agent
