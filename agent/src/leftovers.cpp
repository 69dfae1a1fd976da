#include "leftovers.hpp"
#include "session_folder.hpp"
#include "spool.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr unix_millis check_interval = 24 * 60 * 60 * 1000;
constexpr std::size_t batch_count_max = 50;

/// One session's. The first problem ends it.
asio::awaitable<result<void>>
deliver(const keystore& store, session_folder& folder, relay_client& relay, const clock_source& clock)
{
    const auto& record = folder.record();
    const auto key = store.local_key();
    if (!key)
        co_return std::unexpected(key.error());
    auto waiting = spool::open(folder.spool_file(), *key, record.tag);
    if (!waiting)
        co_return std::unexpected(waiting.error());
    const auto path = "/v3/sessions/" + record.session_id + "/messages";
    while (!waiting->waiting().empty() && waiting->waiting().front().sealed())
    {
        json::array messages;
        for (const auto& each : waiting->waiting())
        {
            if (messages.size() == batch_count_max || !each.sealed())
                break;
            messages.push_back(json::object{{"content", each.bundle}, {"localId", each.local_id}});
        }
        const auto count = messages.size();
        const auto sent = co_await relay.post(path, {{"messages", std::move(messages)}});
        if (!sent)
            co_return std::unexpected(sent.error());
        if (const auto noted = waiting->done(count); !noted)
            co_return noted;
    }
    if (clock.now() - record.checked < check_interval)
        co_return result<void>();
    const auto there = co_await relay.get(path + "?limit=1");
    if (!there)
        co_return std::unexpected(there.error());
    folder.record().checked = clock.now();
    co_return folder.save();
}

} // namespace

asio::awaitable<void>
deliver_leftovers(const keystore& store, identity who, relay_client& relay, const clock_source& clock)
{
    for (const auto& tag : session_folder::list(store))
    {
        auto folder = session_folder::open(store, tag);
        if (!folder || folder->record().session_id.empty() || folder->record().account_id != who.account_id ||
            folder->record().server_url != who.server_url)
            continue;
        const auto done = co_await deliver(store, *folder, relay, clock);
        if (!done && done.error() == errc::not_found)
            (void)folder->destroy();
        else if (!done && worth_retrying(done.error()))
            co_return;
    }
}

} // namespace consortium::agent
