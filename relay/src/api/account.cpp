#include "api/http.hpp"
#include "api/receipts.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "readiness.hpp"

/// What is about the account as a whole: its profile, and its stream over HTTP.
namespace consortium::relay::api
{
namespace
{

constexpr std::size_t changes_default = 100;

asio::awaitable<net::http_response> profile(call given)
{
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("id", to_string(given.who.account))
        .field("timestamp", given.shared.clock.now())
        .field("firstName", nullptr)
        .field("lastName", nullptr)
        .field("username", nullptr)
        .field("avatar", nullptr)
        .field("github", nullptr)
        .key("connectedServices")
        .begin_array()
        .end_array()
        .end_object();
    co_return ok(std::move(json));
}

net::http_response resync(std::string_view reason)
{
    return refuse(
        {errc::conflict, "the lists must be loaded anew: " + std::string(reason), {}}, "resync: " + std::string(reason),
        ",\"resync\":\"" + std::string(reason) + "\"");
}

/// The updates after `since`, as a user-scoped client would get them; a run of shredded events is one.
net::http_response read_changes(const call& given)
{
    auto& shared = given.shared;
    lazy_snapshot at(shared.log);
    if (auto reached = projections::reach(at.get(), given.who, projections::account_target::stream, intent::see);
        !reached)
        return refuse(reached.error());
    const auto since = query_number(given.request, "since", 0, 0, static_cast<std::uint64_t>(v1::integer_max));
    const auto count = query_number(given.request, "limit", changes_default, 1, limits::page_count_max);
    for (const auto* number : {&since, &count})
        if (!*number)
            return refuse(number->error());
    const auto named = given.request.query_value("log");
    if (named && *named != to_string(shared.log.id()))
        return resync("another-log");

    const auto head = projections::last_revision(at.get(), given.who.account);
    if (!head)
        return refuse(head.error());
    if (*since > head->value)
        return resync("ahead");
    if (head->value - *since > limits::catch_up_revisions_max)
        return resync("too-far-behind");
    const auto events =
        projections::changes(at.get(), given.who.account, revision{*since}, *count, shared.settings.page_bytes_max);
    if (!events)
        return refuse(events.error());

    std::string json;
    v1::json_writer out(json);
    out.begin_object();
    write_stamp(out, shared, *head);
    out.key("updates").begin_array();
    for (std::size_t i = 0; i < events->size(); ++i)
    {
        const auto from = (*events)[i].header.rev;
        const bool shredded = (*events)[i].shredded();
        while (shredded && i + 1 < events->size() && (*events)[i + 1].shredded())
            ++i;
        std::string update;
        if (shredded)
            shared.updates.append_shredded_json(update, from, (*events)[i]);
        else
            shared.updates.append_json(update, (*events)[i], at);
        out.raw(update);
    }
    const bool more = !events->empty() && events->back().header.rev < *head;
    out.end_array().field("hasMore", more).end_object();
    auto answer = ok(std::move(json));
    stamp(answer, shared, *head);
    return answer;
}

asio::awaitable<net::http_response> changes(call given)
{
    co_return co_await on_reader(std::move(given), read_changes);
}

asio::awaitable<net::http_response> health(call given)
{
    std::string json;
    v1::json_writer(json)
        .begin_object()
        .field("status", "ok")
        .field("timestamp", iso_time(given.shared.clock.now()))
        .field("service", "consortium-relay")
        .field("version", CONSORTIUM_VERSION)
        .field("log", to_string(given.shared.log.id()))
        .end_object();
    co_return ok(std::move(json));
}

asio::awaitable<net::http_response> ready(call given)
{
    if (const auto can = given.shared.ready.check(); !can)
        co_return refuse(503, can.error(), can.error().detail);
    std::string json;
    v1::json_writer(json).begin_object().field("status", "ready").end_object();
    co_return ok(std::move(json));
}

/// Only who holds the account's key may: a stolen token is not enough.
result<void> check_deletion(services& shared, account_id account, const v1::account_deletion& asked)
{
    const auto known = projections::find_account(*shared.log.read(), account);
    if (!known && known.error() == errc::not_found)
        return fail(errc::unauthorized, "Invalid token");
    if (!known)
        return std::unexpected(known.error());
    if (auto fresh = shared.challenges.check(asked.challenge, known->public_key); !fresh)
        return fresh;
    if (!ed25519_verify(known->public_key, asked.challenge, asked.signature))
        return fail(errc::unauthorized, "Invalid signature");
    return shared.challenges.use(asked.challenge);
}

asio::awaitable<net::http_response> delete_account(call given)
{
    auto& shared = given.shared;
    if (auto reached = projections::reach(*shared.log.read(), given.who, projections::account_target::end, intent::see);
        !reached)
        co_return refuse(reached.error());
    const auto asked = read_body(given, v1::read_account_deletion);
    if (!asked)
        co_return refuse(asked.error());
    if (auto allowed = check_deletion(shared, given.who.account, *asked); !allowed)
        co_return refuse(allowed.error());
    auto wanted = std::make_shared<projections::delete_account>();
    wanted->who = given.who;
    auto done = co_await shared.commits.append(wanted);
    if (!done)
        co_return refuse(done.error());
    v1::deletion_receipt said;
    said.what = v1::deleted_account{given.who.account, wanted->sessions, wanted->machines};
    said.created = 1;
    co_return co_await answer_deletion(shared, std::move(*done), std::move(said));
}

constexpr route routes[] = {
    {"DELETE", "/v1/account", access::token, &body_bounds::small, delete_account, rate::guests},
    {"GET", "/v1/account/profile", access::token, &body_bounds::small, profile},
    {"GET", "/v1/changes", access::token, &body_bounds::small, changes},
    {"GET", "/health", access::anyone, &body_bounds::small, health},
    {"GET", "/ready", access::anyone, &body_bounds::small, ready},
};

} // namespace

std::span<const route> account_routes()
{
    return routes;
}

} // namespace consortium::relay::api
