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

session_id session_of(const v1::handshake_request& asked)
{
    return parse_uuid<session_id>(asked.session_id).value_or(session_id{});
}

/// The machine it speaks for; nil while that is not registered, which may come later.
result<machine_row_id>
row_of_machine(const log::snapshot& at, const projections::principal& who, const v1::handshake_request& asked)
{
    const auto found = projections::find_machine(at, who.account, asked.machine_id);
    if (!found && found.error() != errc::not_found)
        return std::unexpected(found.error());
    return found ? found->row : machine_row_id{};
}

/// What it may see. Where the log cannot tell that is an error: the narrower view would leave events out unsaid.
result<audience> audience_of(
    services& shared, const log::snapshot& at, const projections::principal& who, const v1::handshake_request& asked,
    machine_row_id row)
{
    if (asked.type == v1::client_type::session)
        return audience::session(session_of(asked));
    if (asked.type == v1::client_type::machine)
        return audience::machine(asked.machine_id, row);
    const auto reached = projections::reach(at, who, projections::account_target::stream, intent::see);
    if (reached)
        return audience::user();
    if (reached.error() != errc::forbidden)
        return std::unexpected(reached.error());
    return audience::own_of(
        who, [&shared, account = who.account](stream_id stream)
        { return projections::find_maker(*shared.log.read(), account, stream); });
}

/// Whether the client may have what it asks for. Whatever the log could not tell is passed on as it is.
std::expected<void, connect_refusal>
check_scope(services& shared, const projections::principal& who, const v1::handshake_request& asked)
{
    const auto at = shared.log.read();
    if (asked.type == v1::client_type::session)
    {
        const projections::session_target session{session_of(asked)};
        const auto reached = projections::reach(*at, who, session, intent::see);
        if (!reached && reached.error() != errc::not_found)
            return std::unexpected(connect_refusal{reached.error(), {}});
        if (!reached)
        {
            connect_refusal refusal{{errc::not_found, "Session not found", {}}, {}};
            const auto deleted = projections::find_deletion(*at, who.account, session.id);
            if (!deleted && deleted.error() != errc::not_found)
                return std::unexpected(connect_refusal{deleted.error(), {}});
            if (deleted)
                refusal.also["deletion"] = boost::json::object{
                    {"device", base64_encode(deleted->device)}, {"signature", base64_encode(deleted->signature)}};
            return std::unexpected(std::move(refusal));
        }
    }
    if (asked.type == v1::client_type::machine)
    {
        // Not registered yet is fine: it may come later.
        const auto reached = projections::reach(*at, who, projections::machine_target{asked.machine_id}, intent::write);
        if (!reached && reached.error() == errc::forbidden)
            return std::unexpected(connect_refusal{{errc::not_found, "Machine not found", {}}, {}});
        if (!reached && reached.error() != errc::not_found)
            return std::unexpected(connect_refusal{reached.error(), {}});
    }
    return {};
}

/// A signed-in socket, from sign-in to its end.
class signed_in final : public socket_listener
{
public:
    signed_in(services& shared, socket& client, token_holder holder, v1::handshake_request asked, connection_id id)
        : shared_(shared), client_(client), holder_(holder), asked_(std::move(asked)), id_(id)
    {
    }

    account_id owner() const override { return holder_.who.account; }
    void on_connected() override;
    void on_event(std::string_view name, arguments args, ack reply) override;
    void on_events_delivered() override;
    void on_disconnect(std::string_view reason) override;

    void hold(bool high);

private:
    /// Makes its connection and joins it; none: it has no place here any more, or the log could not tell which.
    void settle_in();

    services& shared_;
    socket& client_;
    const token_holder holder_;
    const v1::handshake_request asked_;
    const connection_id id_;
    std::shared_ptr<connection> self_; ///< from on_connected() on
    bool held_ = false;
};

void signed_in::on_connected()
{
    shared_.commits.watch(owner());
    try
    {
        settle_in();
    }
    catch (...)
    {
        if (!self_)
            shared_.commits.unwatch(owner());
        throw;
    }
    if (!self_)
    {
        shared_.commits.unwatch(owner());
        client_.disconnect();
    }
}

void signed_in::settle_in()
{
    const auto& who = holder_.who;
    // It may have been revoked, or have signed out, while it connected: what comes later finds it in its room.
    lazy_snapshot at(shared_.log);
    const auto now = find_holder(at.get(), who.account, who.device);
    if (!now && now.error() != errc::not_found)
        // Not the client's fault: it shall dial again.
        return client_.close_transport("the log could not be read");
    if (!now || now->revoked || now->sign_outs != holder_.sign_outs)
        return;
    const bool is_machine = asked_.type == v1::client_type::machine;
    const auto row = is_machine ? row_of_machine(at.get(), who, asked_) : machine_row_id{};
    auto audience = row ? audience_of(shared_, at.get(), who, asked_, *row) : std::unexpected(row.error());
    if (!audience)
    {
        spdlog::error("what a client may see could not be read: {}", audience.error().detail);
        return client_.close_transport("the log could not be read");
    }
    const auto last = projections::last_revision(at.get(), who.account);
    if (!last)
        return client_.close_transport("the log could not be read");
    const auto head = *last;
    auto start = head;
    bool behind = false;
    std::string_view resync;
    if (asked_.since)
    {
        if (asked_.since->log != to_string(shared_.log.id()))
            resync = "another-log";
        else if (asked_.since->revision > head.value)
            resync = "ahead";
        else if (head.value - asked_.since->revision > limits::catch_up_revisions_max)
            resync = "too-far-behind";
        else
        {
            start = revision{asked_.since->revision};
            behind = true;
        }
    }
    self_ = std::make_shared<connection>(
        shared_, id_, client_, who, asked_,
        follower(
            std::move(*audience), start, behind, asked_.follows,
            {.queue_bytes_max = shared_.settings.socket_queue_bytes_max, .mark_every = limits::caught_up_every}));
    if (!resync.empty())
        client_.emit("resync", boost::json::object{{"reason", resync}});
    else if (asked_.follows && !behind)
        client_.emit(shared_.updates.caught_up(head));
    shared_.commits.join(self_);

    if (!is_machine)
        return;
    const bool known = !row->is_nil();
    shared_.presence.perform(
        shared_.presence.with([&](presence_table& table, unix_millis now)
                              { return table.machine_connected(who.account, asked_.machine_id, known, now); }));
}

void signed_in::on_event(std::string_view name, arguments args, ack reply)
{
    if (!self_)
        return reply(error{errc::closed, "the socket is closing", {}});
    api::handle_event(*self_, name, std::move(args), std::move(reply));
}

void signed_in::on_events_delivered()
{
    if (self_)
        self_->hold_back_if_full();
}

void signed_in::on_disconnect(std::string_view)
{
    const auto self = std::exchange(self_, nullptr);
    if (!self)
        return;
    self->gone();
    shared_.commits.leave(self);
    shared_.rpc.drop(id_);
    if (asked_.type == v1::client_type::machine)
        shared_.presence.perform(
            shared_.presence.with([&](presence_table& table, unix_millis now)
                                  { return table.machine_disconnected(owner(), asked_.machine_id, now); }));
}

void signed_in::hold(bool high)
{
    if (std::exchange(held_, high) == high)
        return;
    if (high)
        client_.pause_reading();
    else
        client_.resume_reading();
}

} // namespace

asio::awaitable<connect_answer> socket_rules::on_connect(socket& client, boost::json::object auth)
{
    const auto refuse = [](error why) { return std::unexpected(connect_refusal{std::move(why), {}}); };
    auto asked = v1::read_handshake(auth);
    if (!asked)
        co_return refuse(asked.error());
    const auto holder = shared_.tokens.verify(asked->token);
    if (!holder && (holder.error() == errc::unauthorized || holder.error() == errc::revoked))
        co_return refuse({holder.error().code, "Invalid authentication token", {}});
    if (!holder)
        co_return refuse(holder.error());
    const auto& who = holder->who;
    std::string().swap(asked->token);
    if (auto in_scope = check_scope(shared_, who, *asked); !in_scope)
        co_return std::unexpected(std::move(in_scope.error()));
    if (shared_.commits.member_count(who.account) >= limits::sockets_per_account_max)
        co_return refuse({errc::overloaded, "too many sockets of this account", std::chrono::seconds(10)});
    co_return std::make_unique<signed_in>(shared_, client, *holder, std::move(*asked), ++last_id_);
}

void socket_rules::on_bug(std::string_view what)
{
    spdlog::error("a socket failed: {}", what);
}

void socket_rules::hold(socket_listener& client, bool high)
{
    // There are no others.
    static_cast<signed_in&>(client).hold(high);
}

} // namespace consortium::relay
