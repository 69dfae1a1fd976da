#include "api/statements.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/projections/commands.hpp"
#include <algorithm>

/// Pairing an agent with an account: docs/protocol.md, "Pairing".
namespace consortium::relay::api
{
namespace
{

net::http_response answer(const result<void>& done)
{
    return done ? success() : refuse(done.error());
}

asio::awaitable<net::http_response> request_pairing(call given)
{
    auto& shared = given.shared;
    const auto asked = read_body(given, v1::read_pairing_request);
    if (!asked)
        co_return refuse(asked.error());
    co_return answer(shared.pairings.request(*asked, shared.counted_as(given.from.remote_address)));
}

std::string_view name_of(pairing_stage stage)
{
    switch (stage)
    {
    case pairing_stage::pending:
        return "pending";
    case pairing_stage::answered:
        return "answered";
    case pairing_stage::revealed:
        return "revealed";
    case pairing_stage::authorized:
        return "authorized";
    case pairing_stage::refused:
        return "refused";
    }
    return "not_found";
}

void write_request(v1::json_writer& out, const v1::pairing_request& wanted)
{
    out.key("device")
        .begin_object()
        .field("publicKey", base64_encode(wanted.device))
        .field("kind", v1::name(wanted.kind))
        .field("sealedName", wanted.sealed_name)
        .end_object()
        .field("commit", base64_encode(wanted.commit))
        .field("signature", base64_encode(wanted.signature))
        .field("mac", base64_encode(wanted.mac));
}

/// Each status has the fields of those before it; the last two stand alone.
net::http_response show_status(services& shared, const pairing_book::view& known)
{
    const auto stage = known.stage;
    std::string json;
    v1::json_writer out(json);
    out.begin_object().field("status", name_of(stage));
    if (stage == pairing_stage::authorized)
    {
        const auto statements = projections::list_statements(*shared.log.read(), known.account);
        if (!statements)
            return refuse(statements.error());
        v1::write_statements(out, *statements);
    }
    else if (stage != pairing_stage::refused)
    {
        write_request(out, known.wanted);
        if (stage != pairing_stage::pending)
            out.field("response", known.response);
        if (stage == pairing_stage::revealed)
            out.field("nonce", base64_encode(known.nonce));
    }
    out.end_object();
    return ok(std::move(json));
}

asio::awaitable<net::http_response> pairing_status(call given)
{
    auto& shared = given.shared;
    std::string text(given.request.query_value("publicKey").value_or(std::string_view()));
    // A plus that was not escaped has become a space; base64 has no spaces.
    std::ranges::replace(text, ' ', '+');
    const auto decoded = base64_decode(text);
    std::optional<pairing_book::view> known;
    if (decoded && decoded->size() == 32)
        known = shared.pairings.poll(to_array<32>(*decoded));
    co_return known ? show_status(shared, *known) : ok(R"({"status":"not_found"})");
}

/// Whether the caller may have to do with pairings: agents bring nobody in.
result<void> check_member(const call& given)
{
    return projections::reach(*given.shared.log.read(), given.who, projections::account_target::members, intent::see);
}

asio::awaitable<net::http_response> answer_pairing(call given)
{
    if (auto member = check_member(given); !member)
        co_return refuse(member.error());
    auto asked = read_body(given, v1::read_pairing_answer);
    if (!asked)
        co_return refuse(asked.error());
    co_return answer(given.shared.pairings.answer(asked->public_key, given.who, std::move(asked->response)));
}

asio::awaitable<net::http_response> reveal(call given)
{
    auto& shared = given.shared;
    const auto asked = read_body(given, v1::read_pairing_reveal);
    if (!asked)
        co_return refuse(asked.error());
    co_return answer(shared.pairings.reveal(asked->public_key, asked->nonce));
}

/// That the chain has the agent, and good, when this is done: by the statement that adds it, or already.
asio::awaitable<result<void>>
state_agent(services& shared, account_id account, ed25519_public device, std::optional<bytes> statement)
{
    if (statement)
    {
        const auto said = parse_statement(*statement);
        if (!said)
            co_return std::unexpected(said.error());
        if (said->account != account || said->action != statement_action::add || said->device != device ||
            said->kind != device_kind::agent)
            co_return fail(errc::bad_request, "the statement does something else than add this agent");
        auto owner = projections::find_account(*shared.log.read(), account);
        if (!owner)
            co_return std::unexpected(owner.error());
        if (auto done = co_await append_statements(shared, std::move(*owner), std::span(&*statement, 1)); !done)
            co_return done;
    }
    const auto known = projections::find_stated_device(*shared.log.read(), account, device);
    if (!known && known.error() == errc::not_found)
        co_return fail(errc::conflict, "the account's chain does not name this device: a statement must add it");
    if (!known)
        co_return std::unexpected(known.error());
    if (known->revoked_at)
        co_return fail(errc::revoked, "this device was revoked");
    if (known->kind != device_kind::agent)
        co_return fail(errc::bad_request, "this device is no agent");
    co_return result<void>();
}

asio::awaitable<net::http_response> confirm(call given)
{
    auto& shared = given.shared;
    if (auto member = check_member(given); !member)
        co_return refuse(member.error());
    const auto asked = read_body(given, v1::read_pairing_confirmation);
    if (!asked)
        co_return refuse(asked.error());
    const auto device = shared.pairings.begin_confirmation(asked->public_key, given.who);
    if (!device)
        co_return refuse(device.error());
    const auto done = co_await state_agent(shared, given.who.account, *device, asked->statement);
    shared.pairings.end_confirmation(asked->public_key, done.has_value());
    if (!done && done.error() == errc::conflict)
        co_return refuse_with_chain(shared, done.error(), given.who.account);
    co_return answer(done);
}

asio::awaitable<net::http_response> refuse_pairing(call given)
{
    auto& shared = given.shared;
    const auto asked = read_body(given, v1::read_pairing_refusal);
    if (!asked)
        co_return refuse(asked.error());
    if (asked->signature)
        co_return answer(shared.pairings.refuse(asked->public_key, *asked->signature));
    if (given.who.account.is_nil())
        co_return refuse(
            {errc::unauthorized, "a refusal takes the agent's signature or the token of who answered", {}});
    if (auto member = check_member(given); !member)
        co_return refuse(member.error());
    co_return answer(shared.pairings.refuse(asked->public_key, given.who));
}

constexpr route routes[] = {
    {"POST", "/v1/auth/request", access::anyone, &body_bounds::small, request_pairing, rate::guests},
    {"GET", "/v1/auth/request/status", access::anyone, &body_bounds::small, pairing_status, rate::pollers},
    {"POST", "/v1/auth/response", access::token, &body_bounds::small, answer_pairing},
    {"POST", "/v1/auth/reveal", access::anyone, &body_bounds::small, reveal, rate::guests},
    {"POST", "/v1/auth/confirm", access::token, &body_bounds::small, confirm},
    {"POST", "/v1/auth/refuse", access::maybe_token, &body_bounds::small, refuse_pairing, rate::guests},
};

} // namespace

std::span<const route> pairing_routes()
{
    return routes;
}

} // namespace consortium::relay::api
