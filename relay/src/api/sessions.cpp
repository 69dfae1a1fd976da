#include "api/http.hpp"
#include "api/objects.hpp"
#include "api/receipts.hpp"
#include "consortium/projections/commands.hpp"

namespace consortium::relay::api
{
namespace
{

void write_session(v1::json_writer& out, const projections::session_view& row)
{
    out.begin_object();
    v1::write_fields(out, object_of(row));
    out.field("lastMessage", nullptr).end_object();
}

/// So much their JSON has, or a little less.
std::size_t size_of(const projections::session_page& page)
{
    constexpr std::size_t other_fields_bytes = 640;
    std::size_t size = other_fields_bytes;
    for (const auto& row : page.sessions)
        size += other_fields_bytes + row.metadata.size() + (row.agent_state ? row.agent_state->size() : 0) +
                (row.data_key ? row.data_key->size() : 0);
    return size;
}

/// An agent is shown its own.
void write_sessions(v1::json_writer& out, const projections::principal& who, projections::session_page& page)
{
    out.key("sessions").begin_array();
    for (auto& row : page.sessions)
    {
        if (projections::reaches_made_by(who, row.creator))
            write_session(out, row);
        // What was written is not held twice: a list is the largest answer there is.
        std::string().swap(row.metadata);
        row.agent_state.reset();
    }
    out.end_array();
}

net::http_response read_list_sessions(const call& given)
{
    const auto at = given.shared.log.read();
    auto page = projections::list_sessions(*at, given.who.account, limits::list_count_max);
    if (!page)
        return refuse(page.error());
    return stamped(
        given, *at,
        [&](v1::json_writer& out)
        {
            write_sessions(out, given.who, *page);
            out.field("hasMore", page->has_more);
        },
        size_of(*page));
}

asio::awaitable<net::http_response> list_sessions(call given)
{
    co_return co_await on_reader(std::move(given), read_list_sessions);
}

constexpr std::size_t page_default = 50;
constexpr std::size_t page_max = 200;
constexpr std::string_view cursor_prefix = "cursor_v1_";

net::http_response read_page_of_sessions(const call& given)
{
    std::optional<session_id> before;
    if (const auto cursor = given.request.query_value("cursor"))
    {
        if (cursor->starts_with(cursor_prefix))
            if (const auto id = parse_uuid<session_id>(cursor->substr(cursor_prefix.size())))
                before = *id;
        if (!before)
            return refuse({errc::bad_request, {}, {}}, "Invalid cursor format");
    }
    const auto count = query_number(given.request, "limit", page_default, 1, page_max);
    const auto since = query_number(given.request, "changedSince", 0, 0, static_cast<std::uint64_t>(v1::integer_max));
    for (const auto* number : {&count, &since})
        if (!*number)
            return refuse(number->error());

    const auto at = given.shared.log.read();
    auto page = projections::sessions_before(
        *at, given.who.account, before, static_cast<unix_millis>(*since), static_cast<std::size_t>(*count));
    if (!page)
        return refuse(page.error());
    return stamped(
        given, *at,
        [&](v1::json_writer& out)
        {
            write_sessions(out, given.who, *page);
            if (page->has_more)
                out.field("nextCursor", std::string(cursor_prefix) + to_string(page->sessions.back().id));
            else
                out.field("nextCursor", nullptr);
            out.field("hasNext", page->has_more);
        },
        size_of(*page));
}

asio::awaitable<net::http_response> page_of_sessions(call given)
{
    co_return co_await on_reader(std::move(given), read_page_of_sessions);
}

net::http_response read_one_session(const call& given)
{
    const auto session = id_of<session_id>(given.segments[0]);
    const auto at = given.shared.log.read();
    if (auto reached = projections::reach(*at, given.who, projections::session_target{session}, intent::see); !reached)
        return refuse_session(given, session, reached.error());
    const auto row = projections::find_session(*at, given.who.account, session);
    if (!row)
        return refuse_session(given, session, row.error());
    return stamped(
        given, *at,
        [&](v1::json_writer& out)
        {
            out.key("session");
            write_session(out, *row);
        });
}

asio::awaitable<net::http_response> one_session(call given)
{
    co_return co_await on_reader(std::move(given), read_one_session);
}

asio::awaitable<net::http_response> create_session(call given)
{
    auto& shared = given.shared;
    auto asked = read_body(given, v1::read_session_request);
    if (!asked)
        co_return refuse(asked.error());
    auto wanted = std::make_shared<projections::create_session>();
    wanted->who = given.who;
    wanted->new_session = session_id{make_uuid_v7(shared.clock.now())};
    wanted->tag = std::move(asked->tag);
    wanted->metadata = std::move(asked->metadata);
    wanted->data_key = std::move(asked->data_key);
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse(done.error());
    if (!wanted->created)
        shared.presence.with(
            [&](presence_table& table, unix_millis) -> presence_table::actions
            {
                table.session_reopened(wanted->session);
                return {};
            });
    const auto at = shared.log.read();
    const auto row = projections::find_session(*at, given.who.account, wanted->session);
    if (!row)
        co_return refuse_session(given, wanted->session, row.error());
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("session");
    write_session(out, *row);
    out.end_object();
    co_return ok(std::move(json));
}

asio::awaitable<net::http_response> delete_session(call given)
{
    auto wanted = std::make_shared<projections::delete_session>();
    wanted->who = given.who;
    wanted->session = id_of<session_id>(given.segments[0]);
    if (!given.request.body.empty())
    {
        const auto proof = read_body(given, v1::read_session_deletion);
        if (!proof)
            co_return refuse(proof.error());
        wanted->proof = *proof;
    }
    auto done = co_await given.shared.commits.append(wanted);
    if (!done)
        co_return refuse_session(given, wanted->session, done.error(), "Session not found or not owned by user");
    v1::deletion_receipt said;
    said.what = v1::deleted_session{wanted->session, wanted->messages};
    said.created = wanted->created.value;
    co_return co_await answer_deletion(given.shared, std::move(*done), std::move(said));
}

asio::awaitable<net::http_response> archive_session(call given)
{
    auto& shared = given.shared;
    auto wanted = std::make_shared<projections::set_session_active>();
    wanted->who = given.who;
    wanted->session = id_of<session_id>(given.segments[0]);
    wanted->active = false;
    const auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse_session(given, wanted->session, done.error());
    auto told = shared.presence.with([&](presence_table& table, unix_millis now)
                                     { return table.session_end(given.who.account, wanted->session, now, now); });
    for (auto& action : told)
        action.record = false; // it is in the log already
    shared.presence.perform(told);
    co_return success();
}

constexpr route routes[] = {
    {"GET", "/v1/sessions", access::token, &body_bounds::small, list_sessions},
    {"POST", "/v1/sessions", access::token, &body_bounds::fields, create_session},
    {"GET", "/v1/sessions/:id", access::token, &body_bounds::small, one_session},
    {"GET", "/v2/sessions", access::token, &body_bounds::small, page_of_sessions},
    {"DELETE", "/v1/sessions/:id", access::token, &body_bounds::small, delete_session},
    {"POST", "/v1/sessions/:id/archive", access::token, &body_bounds::small, archive_session},
};

} // namespace

std::span<const route> session_routes()
{
    return routes;
}

} // namespace consortium::relay::api
