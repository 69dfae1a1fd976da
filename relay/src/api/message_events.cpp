#include "api/events.hpp"
#include "api/objects.hpp"
#include "consortium/projections/commands.hpp"
#include <boost/json/serialize.hpp>

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

/// The receipt and, in it, the proof of its record. Both are made on a reader thread: neither signing, reading nor
/// writing a large body holds up the others of this network thread.
void answer_with_proof(connection& from, lsn number, std::size_t size, boost::json::object receipt, ack reply)
{
    // Base64 of the body, the path, the keys.
    const auto expected = size * 4 / 3 + 4096;
    from.promised(expected);
    auto self = std::static_pointer_cast<connection>(from.shared_from_this());
    const auto thread = from.carrier() ? from.carrier()->thread() : 0;
    from.shared().proofs.ask(
        number,
        [self, thread, expected, receipt = std::move(receipt),
         reply = std::move(reply)](result<v1::proof_object> made) mutable
        {
            std::string json = boost::json::serialize(receipt);
            json.back() = ',';
            json += "\"proof\":";
            if (made)
            {
                v1::json_writer out(json);
                v1::write(out, *made);
            }
            else
                json += "null";
            json += '}';
            // Through the hub's inbox: all that became ready for a connection meanwhile is one write.
            auto& commits = self->shared().commits;
            commits.post(
                thread,
                [self = std::move(self), expected, &commits, frame = reply.encode(json),
                 reply = std::move(reply)]() mutable
                {
                    reply(std::move(frame));
                    self->delivered(expected);
                    commits.touch(*self);
                });
        });
}

/// The answer to a message, once it is durable.
void answer_message(
    connection& from, const projections::append_messages& wanted, const committed_events& events, bool prove, ack reply)
{
    const auto& receipt = wanted.receipts.at(0);
    std::shared_ptr<const log::event> happened;
    if (receipt.event)
        happened = events[*receipt.event];
    else if (auto first = from.shared().log.read()->read(receipt.where))
        happened = std::make_shared<const log::event>(std::move(*first));
    const auto stored = happened ? message_of(*happened) : fail(errc::not_found, {});
    if (!stored)
        return reply(error{errc::not_found, "no session with this id", {}});
    if (!prove)
        return reply(receipt_of(*stored));
    answer_with_proof(from, happened->number, happened->header.body_bytes, receipt_of(*stored), std::move(reply));
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
    wanted->epoch = asked->epoch;
    wanted->items.push_back(
        {std::move(asked->content), std::move(asked->local_id), message_id{make_uuid_v7(shared.clock.now())}});
    const bool prove = asked->prove;
    // Shared with the error path: submit() takes the completion whether it succeeds or not.
    auto answer = std::make_shared<ack>(std::move(reply));
    auto queued = from.submit(
        wanted,
        [self = std::static_pointer_cast<connection>(from.shared_from_this()), wanted, prove,
         answer](const log::outcome& ended)
        {
            if (!ended.committed)
                return (*answer)(ended.committed.error());
            if (answer->wanted())
                answer_message(*self, *wanted, *ended.committed, prove, std::move(*answer));
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
    if (const auto reached = from.reaches(session); !reached)
        return reply(
            reached.error() == errc::forbidden ? error{errc::not_found, "no session with this id", {}}
                                               : reached.error());
    auto frame = event_frame("ephemeral", v1::stream_ephemeral(asked->sid, asked->content));
    from.after_earlier(
        [&commits = from.shared().commits, account = from.account(), sender = from.id(), session,
         frame = std::move(frame)]
        {
            commits.send(
                account, frame->bytes().size(),
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
