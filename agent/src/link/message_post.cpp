#include "link/message_post.hpp"
#include <boost/json.hpp>
#include <set>

namespace consortium::agent
{
namespace json = boost::json;

std::string messages_path(const std::string& session_id)
{
    return "/v3/sessions/" + session_id + "/messages";
}

asio::awaitable<relay_answer<void>>
post_messages(relay_client& relay, const std::string& session_id, const std::vector<spool_entry>& batch)
{
    json::array messages;
    std::set<std::string> missing;
    for (const auto& each : batch)
    {
        messages.push_back(json::object{{"content", each.bundle}, {"localId", each.local_id}});
        missing.insert(each.local_id);
    }
    const auto sent = co_await relay.post(messages_path(session_id), {{"messages", std::move(messages)}}, "messages");
    if (!sent)
        co_return std::unexpected(sent.error());
    for (const auto& each : sent->objects("messages"))
        missing.erase(each.text("localId"));
    if (!missing.empty())
        co_return std::unexpected(
            relay_failure::stranger(relay.server_url(), "an answer without the messages that were sent"));
    co_return relay_answer<void>();
}

} // namespace consortium::agent
