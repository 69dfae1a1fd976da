#include "session/leftovers.hpp"
#include "link/message_post.hpp"
#include "link/outbox.hpp"
#include "storage/session_folder.hpp"
#include "storage/trash.hpp"
#include <boost/asio/this_coro.hpp>

namespace consortium::agent
{
namespace
{

constexpr unix_millis check_interval = 24 * 60 * 60 * 1000;
constexpr auto idle_interval = std::chrono::hours(1);

asio::awaitable<bool> is_reached(relay_client& relay)
{
    const auto answer = co_await relay.get("/v1/log/key", "key");
    co_return answer || answer.error().by_relay;
}

/// Whether the relay has the session.
asio::awaitable<relay_answer<void>> ask_for(relay_client& relay, const std::string& session_id)
{
    const auto there = co_await relay.get(messages_path(session_id) + "?limit=1", "messages");
    if (!there)
        co_return std::unexpected(there.error());
    co_return relay_answer<void>();
}

class leftover final : message_sender
{
public:
    leftover(
        session_folder folder, relay_client& relay, device_directory& devices, screen& out, const clock_source& clock)
        : folder_(std::move(folder)), relay_(relay), devices_(devices), out_(out), clock_(clock)
    {
    }

    /// False: to be tried again.
    asio::awaitable<bool> look_after(const key256& local_key)
    {
        auto& record = folder_.record();
        auto waiting = spool::open(folder_.spool_file(), local_key, record.tag);
        if (!waiting)
        {
            out_.line("trouble", waiting.error().detail);
            co_return true;
        }
        const auto box = std::make_shared<outbox>(
            co_await asio::this_coro::executor, std::move(*waiting), static_cast<message_sender&>(*this));
        std::optional<relay_failure> refused;
        box->on_refused = [&](const relay_failure& reason) { refused = reason; };
        box->on_dropped = [this](const spool_entry&, const relay_failure& reason, bool kept)
        {
            out_.line(
                kept ? "aside" : "lost", "The relay refuses one message of an earlier session for good: " +
                                             reason.detail + (kept ? ". It is kept here, and not sent." : ""));
        };
        box->on_stuck = [this](const spool_entry&, const relay_failure& reason)
        { out_.line("waits", "One message of an earlier session does not pass: " + reason.detail); };
        auto step = outbox::step::on;
        while (step == outbox::step::on)
            step = co_await box->attempt();
        if (step == outbox::step::later)
            co_return false;
        if (!refused && clock_.now() - record.checked >= check_interval)
        {
            const auto there = co_await ask_for(relay_, record.session_id);
            if (!there && worth_retrying(there.error()))
                co_return false;
            if (there)
            {
                record.checked = clock_.now();
                (void)folder_.save(); // without it, it is asked once more
            }
            else
                refused = there.error();
        }
        if (refused)
            co_await dispose(*refused);
        co_return true;
    }

private:
    asio::awaitable<relay_answer<void>> send_messages(std::vector<spool_entry> batch) override
    {
        co_return co_await post_messages(relay_, folder_.record().session_id, batch);
    }

    asio::awaitable<void> dispose(relay_failure refused)
    {
        const auto& record = folder_.record();
        const auto why = co_await weigh_refusal(refused, record.account_id, record.session_id, devices_);
        if (!why)
            co_return out_.line("trouble", "An earlier session is refused: " + refused.detail);
        const auto done = folder_.dispose(*why, clock_.now());
        if (!done)
            out_.line("trouble", done.error().detail);
        else if (*done == disposal::destroy)
            out_.line("deleted", "An earlier session was deleted by a browser: it is gone from this machine.");
        else
            out_.line(
                "trash",
                "An earlier session: " + std::string(sentence(std::get<hearsay>(*why))) + ". See `consortium trash`.");
    }

    session_folder folder_;
    relay_client& relay_;
    device_directory& devices_;
    screen& out_;
    const clock_source& clock_;
};

bool belongs_to(const identity& who, const std::string& server, const std::string& account)
{
    return server == who.server_url && account == who.account_id;
}

/// Counts the days of what lies in the trash.
void tend(const keystore& store, screen& out, const clock_source& clock)
{
    if (const auto destroyed = tend_trash(store, clock.now()); !destroyed)
        out.line("trouble", destroyed.error().detail);
    else if (*destroyed > 0)
        out.line(
            "trash", std::to_string(*destroyed) + " sessions lay there for " + std::to_string(trash_days) +
                         " days and are destroyed.");
}

} // namespace

asio::awaitable<bool> bring_back(
    const keystore& store, const identity& who, relay_client& relay, device_directory& devices, screen& out,
    std::optional<std::string> directory)
{
    for (const auto& each : list_trash(store))
    {
        if (!belongs_to(who, each.server_url, each.account_id) || each.session_id.empty() ||
            (directory && each.directory != *directory))
            continue;
        const auto there = co_await ask_for(relay, each.session_id);
        if (!there && worth_retrying(there.error()))
            co_return false;
        if (!there)
        {
            const auto why = co_await weigh_refusal(there.error(), each.account_id, each.session_id, devices);
            if (why && dispose_in_trash(store, each.tag, *why).value_or(false))
                out.line("deleted", "A session in the trash was deleted by a browser: it is gone from this machine.");
            continue;
        }
        if (const auto back = restore_from_trash(store, each.tag); back)
            out.line("restored", "The relay shows a session again that was in the trash: " + each.session_id);
        else if (back.error() != errc::locked && back.error() != errc::not_found)
            out.line("trouble", back.error().detail);
    }
    co_return true;
}

asio::awaitable<bool> look_after_leftovers_once(
    const keystore& store, const identity& who, relay_client& relay, device_directory& devices, screen& out,
    const clock_source& clock)
{
    const auto key = store.local_key();
    if (!key)
    {
        out.line("trouble", key.error().detail);
        co_return true;
    }
    tend(store, out, clock);
    if (!co_await bring_back(store, who, relay, devices, out, std::nullopt))
        co_return false;
    bool done = true;
    for (const auto& tag : session_folder::list(store))
    {
        auto folder = session_folder::open(store, tag);
        if (!folder || folder->record().session_id.empty() ||
            !belongs_to(who, folder->record().server_url, folder->record().account_id))
            continue;
        leftover one(std::move(*folder), relay, devices, out, clock);
        if (co_await one.look_after(*key))
            continue;
        // What does not pass of one session keeps no other one waiting.
        done = false;
        if (!co_await is_reached(relay))
            break;
    }
    co_return done;
}

asio::awaitable<void> look_after_leftovers(
    const keystore& store, identity who, relay_client& relay, device_directory& devices, screen& out,
    const clock_source& clock)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    backoff delay;
    bool done = true;
    for (;;)
    {
        // A folder that is held is not to be had by who wants to resume it: not while nobody answers.
        if (done || co_await is_reached(relay))
            done = co_await look_after_leftovers_once(store, who, relay, devices, out, clock);
        if (done)
            delay.reset();
        timer.expires_after(done ? std::chrono::milliseconds(idle_interval) : delay.next());
        boost::system::error_code ignored;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

} // namespace consortium::agent
