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

net::http_response read_list_sessions(const call& given)
{
    auto& shared = given.shared;
    const auto at = shared.log.read();
    const auto rows = projections::list_sessions(*at, given.who.account, limits::list_count_max);
    if (!rows)
        return refuse(rows.error());
    const auto reflects = projections::last_revision(*at, given.who.account);
    std::string json;
    v1::json_writer out(json);
    out.begin_object().key("sessions").begin_array();
    for (const auto& row : *rows)
        if (projections::reaches_made_by(given.who, row.creator))
            write_session(out, row);
    out.end_array();
    write_stamp(out, shared, reflects);
    out.end_object();
    auto answer = ok(std::move(json));
    stamp(answer, shared, reflects);
    return answer;
}

asio::awaitable<net::http_response> list_sessions(call given)
{
    auto& shared = given.shared;
    co_return co_await on_reader(shared, [given = std::move(given)] { return read_list_sessions(given); });
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
    {"GET", "/v1/sessions", access::token, body::small, list_sessions},
    {"POST", "/v1/sessions", access::token, body::fields, create_session},
    {"DELETE", "/v1/sessions/:id", access::token, body::small, delete_session},
    {"POST", "/v1/sessions/:id/archive", access::token, body::small, archive_session},
};

} // namespace

std::span<const route> session_routes()
{
    return routes;
}

} // namespace consortium::relay::api
