#include "api/events.hpp"
#include "api/objects.hpp"
#include "consortium/projections/commands.hpp"

namespace consortium::relay::api
{
namespace
{

boost::json::object receipt_of(const v1::message_object& stored)
{
    boost::json::object out{
        {"result", "success"},
        {"id", stored.id},
        {"seq", stored.seq},
        {"localId", nullptr},
        {"createdAt", stored.created_at},
        {"revision", stored.revision}};
    if (stored.local_id)
        out["localId"] = *stored.local_id;
    return out;
}

/// The answer to a message, once it is durable.
void answer_message(
    services& shared, const projections::append_messages& wanted, const committed_events& events, ack& reply)
{
    const auto& receipt = wanted.receipts.at(0);
    if (receipt.event)
    {
        if (const auto stored = message_of(*events[*receipt.event]))
            return reply(receipt_of(*stored));
    }
    else if (const auto first = shared.log.read()->read(receipt.where))
    {
        if (const auto stored = message_of(*first))
            return reply(receipt_of(*stored));
    }
    reply(error{errc::not_found, "no session with this id", {}});
}

void message(connection& from, const boost::json::object* fields, ack reply)
{
    if (!fields)
        return reply(no_argument());
    auto asked = v1::read_message_event(*fields);
    if (!asked)
        return reply(asked.error());
    auto& shared = from.shared();
    auto wanted = std::make_shared<projections::append_messages>();
    wanted->who = from.who();
    wanted->session = parse_uuid<session_id>(asked->sid).value_or(session_id{});
    wanted->items.push_back(
        {std::move(asked->content), std::move(asked->local_id), message_id{make_uuid_v7(shared.clock.now())}});
    // Shared with the error path: submit() takes the completion whether it succeeds or not.
    auto answer = std::make_shared<ack>(std::move(reply));
    auto queued = from.submit(
        wanted,
        [&shared, wanted, answer](const log::outcome& ended)
        {
            if (!ended.committed)
                return (*answer)(ended.committed.error());
            if (answer->wanted())
                answer_message(shared, *wanted, *ended.committed, *answer);
        });
    if (!queued)
        (*answer)(queued.error());
}

/// Partial text: passed on to the session's readers after what its sender said before, never stored.
void stream(connection& from, const boost::json::object* fields, ack reply)
{
    if (!fields)
        return reply(no_argument());
    const auto asked = v1::read_stream_event(*fields);
    if (!asked)
        return reply(asked.error());
    const auto session = parse_uuid<session_id>(asked->sid).value_or(session_id{});
    if (!from.reaches(session))
        return reply(error{errc::not_found, "no session with this id", {}});
    auto frame = event_frame("ephemeral", v1::stream_ephemeral(asked->sid, asked->content));
    from.after_earlier(
        [&commits = from.shared().commits, account = from.account(), sender = from.id(), session,
         frame = std::move(frame)]
        {
            commits.send(
                account,
                [frame, session, sender](member& to)
                {
                    if (to.id() != sender && to.place().who().hears_session(session))
                        to.send(frame);
                });
        });
    acknowledge(reply);
}

constexpr event_route routes[] = {
    {"message", message},
    {"stream", stream},
};

} // namespace

std::span<const event_route> message_events()
{
    return routes;
}

} // namespace consortium::relay::api
