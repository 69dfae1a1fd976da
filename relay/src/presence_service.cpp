#include "presence_service.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "contain.hpp"
#include <algorithm>
#include <spdlog/spdlog.h>

namespace consortium::relay
{
namespace
{

using std::chrono::milliseconds;

milliseconds sweep_interval(const presence_settings& settings)
{
    return std::clamp(
        std::min(settings.session_timeout, settings.machine_timeout) / 4, milliseconds(20), milliseconds(5000));
}

std::shared_ptr<log::command> transition(const presence_action& wanted)
{
    projections::principal relay_itself;
    relay_itself.account = wanted.account;
    if (wanted.machine.empty())
    {
        auto out = std::make_shared<projections::set_session_active>();
        out->who = relay_itself;
        out->session = wanted.session;
        out->active = wanted.active;
        return out;
    }
    auto out = std::make_shared<projections::set_machine_online>();
    out->who = relay_itself;
    out->machine_id = wanted.machine;
    out->online = wanted.active;
    return out;
}

} // namespace

presence_service::presence_service(hub& clients, const clock_source& clock, const presence_settings& settings)
    : clients_(clients), clock_(clock), settings_(settings), table_(settings)
{
}

result<void> presence_service::load(const log::snapshot& at)
{
    const auto active = projections::list_active(at);
    if (!active)
        return std::unexpected(active.error());
    const auto now = clock_.now();
    const std::lock_guard lock(guard_);
    for (const auto& thing : *active)
    {
        if (thing.machine_id.empty())
            table_.session_opened(thing.account, thing.session, now);
        else
            table_.machine_opened(thing.account, thing.machine_id, now);
    }
    return {};
}

void presence_service::committed(const log::event& happened)
{
    using update = log::event_update;
    const auto& header = happened.header;
    const auto session = header.stream.as<session_id>();
    const auto known = log::describe(header.type);
    actions wanted;
    const auto now = clock_.now();
    const std::lock_guard lock(guard_);
    switch (known.update)
    {
    case update::new_session:
        table_.session_opened(header.account, session, now);
        break;
    case update::session_activity:
        if (header.type == log::event_type::session_resumed)
            table_.session_opened(header.account, session, now);
        else
            table_.session_closed(session, now);
        break;
    case update::delete_session:
        table_.session_deleted(session);
        break;
    case update::new_machine:
        if (const auto* body = happened.as<log::machine_registered>())
            wanted = table_.machine_registered(header.account, body->machine_id, now);
        break;
    case update::delete_machine:
        if (const auto* body = happened.as<log::machine_removed>())
            table_.machine_removed(header.account, body->machine_id);
        break;
    case update::new_message:
    case update::update_session:
    case update::update_machine:
    case update::machine_activity:
    case update::device:
    case update::none:
        break;
    }
    if (known.about == log::event_subject::account && known.step == log::event_step::ends)
        table_.account_deleted(header.account);
    if (!wanted.empty())
        clients_.post(0, [this, wanted] { perform(wanted); });
}

presence_service::actions presence_service::with(const std::function<actions(presence_table&, unix_millis now)>& task)
{
    const std::lock_guard lock(guard_);
    return task(table_, clock_.now());
}

void presence_service::perform(const actions& wanted, const submitter& submit)
{
    for (const auto& action : wanted)
    {
        if (action.record)
        {
            auto settled = [this, action](const log::outcome& ended)
            {
                if (ended.committed || ended.committed.error() == errc::not_found)
                    return;
                // The log did not take it: the table must not believe it either.
                with(
                    [&](presence_table& table, unix_millis now) -> actions
                    {
                        if (action.machine.empty() && action.active)
                            table.session_closed(action.session, now);
                        else if (action.machine.empty())
                            table.session_opened(action.account, action.session, now);
                        else if (action.active)
                            table.machine_closed(action.account, action.machine);
                        else
                            table.machine_opened(action.account, action.machine, now);
                        return {};
                    });
            };
            auto command = transition(action);
            auto queued = submit ? submit(command, settled) : clients_.submit(command, 0, settled);
            if (!queued)
                settled({.wanted = command, .committed = std::unexpected(queued.error())});
        }
        if (!action.announce)
            continue;
        const auto json =
            action.machine.empty()
                ? protocol::v1::activity_ephemeral(
                      to_string(action.session), action.active, action.active_at, action.thinking)
                : protocol::v1::machine_activity_ephemeral(action.machine, action.active, action.active_at);
        clients_.send(
            action.account, json.size(),
            [frame = event_frame("ephemeral", json), session = action.session](member& to)
            {
                auto& audience = to.place().who();
                if (session.is_nil() ? audience.hears_everything() : audience.hears_account(session.as<stream_id>()))
                    to.send(frame);
            });
    }
}

void presence_service::start(net::http_server& server)
{
    server_ = &server;
    server.post(
        0,
        [this]
        {
            timer_ = std::make_unique<boost::asio::steady_timer>(server_->executor(0));
            arm();
        });
}

void presence_service::stop()
{
    if (server_)
        server_->post(0, [this] { timer_.reset(); });
}

void presence_service::arm()
{
    timer_->expires_after(sweep_interval(settings_));
    timer_->async_wait(
        [this](const boost::system::error_code& ec)
        {
            if (ec || !timer_)
                return;
            contain(
                "looking who is silent",
                [&] { perform(with([](presence_table& table, unix_millis now) { return table.sweep(now); })); });
            arm();
        });
}

} // namespace consortium::relay
