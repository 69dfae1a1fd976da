#include "api/http.hpp"
#include "api/objects.hpp"
#include "consortium/projections/commands.hpp"
#include <algorithm>
#include <map>

namespace consortium::relay::api
{
namespace
{

constexpr std::size_t page_default = 100;

void write_messages(v1::json_writer& out, const std::vector<projections::message_view>& rows)
{
    out.key("messages").begin_array();
    for (const auto& row : rows)
        v1::write(out, object_of(row));
    out.end_array();
}

net::http_response read_latest_messages(const call& given)
{
    auto& shared = given.shared;
    const auto session = id_of<session_id>(given.segments[0]);
    const auto at = shared.log.read();
    if (auto readable = projections::reach(*at, given.who, projections::session_target{session}, intent::see);
        !readable)
        return refuse_session(given, session, readable.error());
    const auto page = projections::messages_before(
        *at, given.who.account, session, static_cast<std::uint64_t>(v1::integer_max), limits::list_count_max,
        shared.settings.page_bytes_max);
    if (!page)
        return refuse_session(given, session, page.error());
    return stamped(given, *at, [&](v1::json_writer& out) { write_messages(out, page->messages); });
}

asio::awaitable<net::http_response> latest_messages(call given)
{
    co_return co_await on_reader(std::move(given), read_latest_messages);
}

net::http_response read_page_of_messages(const call& given)
{
    auto& shared = given.shared;
    const auto session = id_of<session_id>(given.segments[0]);
    constexpr auto most = static_cast<std::uint64_t>(v1::integer_max);
    const auto after = query_number(given.request, "after_seq", 0, 0, most);
    const auto before = query_number(given.request, "before_seq", 0, 1, most);
    const auto count = query_number(given.request, "limit", page_default, 1, limits::page_count_max);
    for (const auto* number : {&after, &before, &count})
        if (!*number)
            return refuse(number->error());
    const bool backwards = given.request.query_value("before_seq").has_value();
    if (backwards && given.request.query_value("after_seq"))
        return refuse({errc::bad_request, "after_seq and before_seq exclude each other", {}});

    const auto at = shared.log.read();
    if (auto readable = projections::reach(*at, given.who, projections::session_target{session}, intent::see);
        !readable)
        return refuse_session(given, session, readable.error());
    const auto page = backwards ? projections::messages_before(
                                      *at, given.who.account, session, *before, *count, shared.settings.page_bytes_max)
                                : projections::messages_after(
                                      *at, given.who.account, session, *after, *count, shared.settings.page_bytes_max);
    if (!page)
        return refuse_session(given, session, page.error());
    return stamped(
        given, *at,
        [&](v1::json_writer& out)
        {
            write_messages(out, page->messages);
            out.field("hasMore", page->has_more);
        });
}

asio::awaitable<net::http_response> page_of_messages(call given)
{
    co_return co_await on_reader(std::move(given), read_page_of_messages);
}

asio::awaitable<net::http_response> post_messages(call given)
{
    auto& shared = given.shared;
    auto asked = co_await take_body(given, v1::read_messages_request);
    if (!asked)
        co_return refuse(asked.error());
    const auto now = shared.clock.now();
    auto wanted = std::make_shared<projections::append_messages>();
    wanted->who = given.who;
    wanted->session = id_of<session_id>(given.segments[0]);
    wanted->epoch = asked->epoch;
    wanted->items.reserve(asked->messages.size());
    for (auto& item : asked->messages)
        wanted->items.push_back({std::move(item.content), std::move(item.local_id), message_id{make_uuid_v7(now)}});
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse_session(given, wanted->session, done.error());

    // Once each, by seq, whether stored now or before.
    std::map<std::uint64_t, v1::message_object> stored;
    std::deque<log::event> older;
    lazy_snapshot at(shared.log);
    for (const auto& receipt : wanted->receipts)
    {
        if (stored.contains(receipt.seq))
            continue;
        const log::event* happened = nullptr;
        if (receipt.event)
            happened = (*done)[*receipt.event].get();
        else
        {
            auto found = at.get().read(receipt.where);
            if (!found)
                co_return refuse(found.error());
            happened = &older.emplace_back(std::move(*found));
        }
        auto message = message_of(*happened);
        // Deleted between the commit and the look at it.
        if (!message)
            co_return refuse_session(given, wanted->session, {errc::not_found, {}, {}});
        stored.emplace(receipt.seq, std::move(*message));
    }
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("messages").begin_array();
    for (const auto& [seq, message] : stored)
        v1::write_receipt(out, message);
    out.end_array().end_object();
    co_return ok(std::move(json));
}

constexpr route routes[] = {
    {"GET", "/v1/sessions/:id/messages", access::token, &body_bounds::small, latest_messages},
    {"GET", "/v3/sessions/:id/messages", access::token, &body_bounds::small, page_of_messages},
    {"POST", "/v3/sessions/:id/messages", access::token, &body_bounds::messages, post_messages},
};

} // namespace

std::span<const route> message_routes()
{
    return routes;
}

} // namespace consortium::relay::api
