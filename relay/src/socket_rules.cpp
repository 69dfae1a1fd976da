#include "socket_rules.hpp"
#include "api/events.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/projections/views.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

namespace v1 = protocol::v1;

audience audience_of(services& shared, const projections::principal& who, const v1::handshake_request& asked)
{
    switch (asked.type)
    {
    case v1::client_type::session:
        return audience::session(parse_uuid<session_id>(asked.session_id).value_or(session_id{}));
    case v1::client_type::machine:
    {
        const auto at = shared.log.read();
        const auto found = projections::find_machine(*at, who.account, asked.machine_id);
        return audience::machine(asked.machine_id, found ? found->row : machine_row_id{});
    }
    case v1::client_type::user:
        break;
    }
    if (projections::reach(*shared.log.read(), who, projections::account_target::stream, intent::see))
        return audience::user();
    return audience::own_of(
        who, [&shared, account = who.account](stream_id stream)
        { return projections::find_maker(*shared.log.read(), account, stream); });
}

} // namespace

struct socket_rules::attached
{
    token_holder holder;
    v1::handshake_request asked;
    connection_id id = 0;
    std::shared_ptr<connection> self; ///< from on_connected on
    bool held = false;
};

std::shared_ptr<socket_rules::attached> socket_rules::of(socket& client)
{
    const auto* found = std::any_cast<std::shared_ptr<attached>>(&client.user_data);
    return found ? *found : nullptr;
}

result<void>
socket_rules::check_scope(socket& client, const projections::principal& who, const v1::handshake_request& asked)
{
    const auto at = shared_.log.read();
    if (asked.type == v1::client_type::session)
    {
        const projections::session_target session{parse_uuid<session_id>(asked.session_id).value_or(session_id{})};
        if (!projections::reach(*at, who, session, intent::see))
        {
            if (const auto deleted = projections::find_deletion(*at, who.account, session.id))
                client.refusal_data["deletion"] = boost::json::object{
                    {"device", base64_encode(deleted->device)}, {"signature", base64_encode(deleted->signature)}};
            return fail(errc::not_found, "Session not found");
        }
    }
    if (asked.type == v1::client_type::machine)
    {
        // Not registered yet is fine: it may come later.
        const projections::machine_target machine{asked.machine_id};
        if (auto reached = projections::reach(*at, who, machine, intent::write);
            !reached && reached.error() != errc::not_found)
            return fail(errc::not_found, "Machine not found");
    }
    return {};
}

asio::awaitable<result<void>> socket_rules::on_connect(socket& client, boost::json::object auth)
{
    auto asked = v1::read_handshake(auth);
    if (!asked)
        co_return std::unexpected(asked.error());
    const auto holder = shared_.tokens.verify(asked->token);
    if (!holder)
        co_return fail(holder.error().code, "Invalid authentication token");
    const auto& who = holder->who;
    std::string().swap(asked->token);
    if (auto in_scope = check_scope(client, who, *asked); !in_scope)
        co_return in_scope;
    if (shared_.commits.member_count(who.account) >= limits::sockets_per_account_max)
    {
        client.close_transport("too many sockets of this account");
        co_return fail(errc::overloaded, "too many sockets of this account", std::chrono::seconds(10));
    }
    client.owner = who.account;
    client.user_data = std::make_shared<attached>(*holder, std::move(*asked), ++last_id_);
    co_return result<void>();
}

void socket_rules::on_connected(socket& client)
{
    const auto state = of(client);
    const auto account = state->holder.who.account;
    shared_.commits.watch(account);
    try
    {
        settle_in(client, *state);
    }
    catch (...)
    {
        if (!state->self)
            shared_.commits.unwatch(account);
        throw;
    }
    if (!state->self)
    {
        shared_.commits.unwatch(account);
        client.disconnect();
    }
}

void socket_rules::settle_in(socket& client, attached& state)
{
    const auto& who = state.holder.who;
    const auto& asked = state.asked;
    // It may have been revoked, or have signed out, while it connected: what comes later finds it in its room.
    lazy_snapshot at(shared_.log);
    if (const auto now = find_holder(at.get(), who.account, who.device);
        !now || now->revoked || now->sign_outs != state.holder.sign_outs)
        return;
    const auto head = projections::last_revision(at.get(), who.account);
    auto start = head;
    bool behind = false;
    std::string_view resync;
    if (asked.since)
    {
        if (asked.since->log != to_string(shared_.log.id()))
            resync = "another-log";
        else if (asked.since->revision > head.value)
            resync = "ahead";
        else if (head.value - asked.since->revision > limits::catch_up_revisions_max)
            resync = "too-far-behind";
        else
        {
            start = revision{asked.since->revision};
            behind = true;
        }
    }
    state.self = std::make_shared<connection>(
        shared_, state.id, client, who, asked,
        follower(
            audience_of(shared_, who, asked), start, behind, asked.follows,
            {.queue_bytes_max = limits::socket_queue_bytes_max, .mark_every = limits::caught_up_every}));
    if (!resync.empty())
        client.emit("resync", boost::json::object{{"reason", resync}});
    else if (asked.follows && !behind)
        client.emit(shared_.updates.caught_up(head));
    shared_.commits.join(state.self);

    if (asked.type != v1::client_type::machine)
        return;
    const bool known = projections::find_machine(at.get(), who.account, asked.machine_id).has_value();
    shared_.presence.perform(
        shared_.presence.with([&](presence_table& table, unix_millis now)
                              { return table.machine_connected(who.account, asked.machine_id, known, now); }));
}

void socket_rules::on_event(socket& client, std::string_view name, boost::json::array args, ack reply)
{
    const auto state = of(client);
    if (!state || !state->self)
        return reply(error{errc::closed, "the socket is closing", {}});
    api::handle_event(*state->self, name, args, std::move(reply));
}

void socket_rules::on_events_delivered(socket& client)
{
    const auto state = of(client);
    if (state && state->self)
        state->self->hold_back_if_full();
}

void socket_rules::on_disconnect(socket& client, std::string_view)
{
    const auto state = of(client);
    if (!state || !state->self)
        return;
    const auto self = std::exchange(state->self, nullptr);
    self->gone();
    shared_.commits.leave(self);
    shared_.rpc.drop(state->id);
    if (state->asked.type == v1::client_type::machine)
        shared_.presence.perform(shared_.presence.with(
            [&](presence_table& table, unix_millis now)
            { return table.machine_disconnected(state->holder.who.account, state->asked.machine_id, now); }));
}

void socket_rules::on_bug(std::string_view what)
{
    spdlog::error("a socket failed: {}", what);
}

void socket_rules::hold(socket& client, bool high)
{
    const auto state = of(client);
    if (!state || std::exchange(state->held, high) == high)
        return;
    if (high)
        client.pause_reading();
    else
        client.resume_reading();
}

} // namespace consortium::relay
