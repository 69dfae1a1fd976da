#include "families.hpp"
#include "runs.hpp"
#include <algorithm>
#include <map>

namespace consortium::projections
{
namespace
{

enum class direction
{
    up,
    down
};

result<message_view> read_message(const log::snapshot& at, lsn number)
{
    auto found = read_event_of<log::message_appended>(at, number);
    if (!found)
        return std::unexpected(found.error());
    auto& body = std::get<log::message_appended>(*found->body);
    return message_view{
        .id = body.id,
        .seq = found->header.seq,
        .rev = found->header.rev,
        .local_id = std::move(body.local_id),
        .content = std::move(body.content),
        .created_at = found->header.time};
}

/// Up to `count_max` messages from seq `from` on, in either direction. No `from`: there can be none.
result<message_page> read_page(
    const log::snapshot& at, account_id account, session_id session, std::optional<std::uint64_t> from,
    std::size_t count_max, std::size_t bytes_max, direction way)
{
    if (auto reached = find_session_brief(at, account, session); !reached)
        return std::unexpected(reached.error());
    if (!from)
        return message_page{};
    message_page page;
    const auto stream = session_part(at, account, session);
    // One more than wanted says whether there are more.
    const auto wanted = count_max == SIZE_MAX ? count_max : count_max + 1;
    auto numbers = way == direction::up ? runs_up<message_run>(at, stream, *from, wanted)
                                        : runs_down<message_run>(at, stream, *from, wanted);
    page.has_more = numbers.size() > count_max;
    if (page.has_more)
        numbers.pop_back();
    page.messages.reserve(numbers.size());
    std::size_t size = 0;
    for (const auto number : numbers)
    {
        if (size >= bytes_max)
        {
            page.has_more = true;
            break;
        }
        auto message = read_message(at, number);
        if (!message)
            return std::unexpected(message.error());
        size += message->content.size();
        page.messages.push_back(std::move(*message));
    }
    return page;
}

} // namespace

std::size_t append_messages::size() const
{
    std::size_t total = sizeof(*this);
    for (const auto& one : items)
        total += sizeof(one) + one.content.size() + (one.local_id ? one.local_id->size() : 0);
    return total;
}

result<log::decision> append_messages::decide(const log::view_reader& rows, unix_millis)
{
    receipts.clear();
    if (items.size() > limits::messages_per_post_max)
        return fail(
            errc::too_large, std::to_string(items.size()) + " messages at once; the limit is " +
                                 std::to_string(limits::messages_per_post_max));
    for (const auto& one : items)
    {
        if (auto fits = check_text("message", one.content.size(), 1, limits::message_bytes_max); !fits)
            return std::unexpected(fits.error());
        if (auto fits = check_text("localId", one.local_id ? one.local_id->size() : 1, 1, limits::name_bytes_max);
            !fits)
            return std::unexpected(fits.error());
    }
    const auto key = session_row_key(rows, who.account, session);
    const auto hot = reach_written(rows, who, key, epoch);
    if (!hot)
        return std::unexpected(hot.error());

    const auto part = key.suffix();
    log::decision out{.account = who.account, .drafts = {}};
    out.drafts.reserve(items.size());
    receipts.reserve(items.size());
    std::map<std::string_view, std::size_t> seen; // in this request: index into receipts
    auto seq = hot->seq;
    for (const auto& one : items)
    {
        if (one.local_id)
        {
            const auto [before, is_new] = seen.try_emplace(*one.local_id, receipts.size());
            if (!is_new)
            {
                receipts.push_back(receipts[before->second]);
                continue;
            }
            const row_key local_key(part, local_id_part(rows, session, *one.local_id));
            if (const auto stored = get_row<local_id_row>(rows, local_key))
            {
                const auto where = find_in_runs<message_run>(rows, part, stored->seq);
                if (!where)
                    corrupt_row(table::local_id, "names a message that does not exist");
                receipts.push_back({.seq = stored->seq, .event = {}, .where = *where});
                continue;
            }
        }
        receipts.push_back({.seq = ++seq, .event = out.drafts.size(), .where = {}});
        out.drafts.push_back(draft_of(
            log::event_type::message_appended, who.account, session.as<stream_id>(),
            log::message_appended{one.new_id, one.local_id, one.content}));
        out.drafts.back().seq = seq;
    }
    return out;
}

void fold_message(const log::event& happened, const row_key& key, log::view_writer& rows)
{
    const auto& header = happened.header;
    const auto part = key.suffix();
    auto hot = get_row_of<session_hot_row>(happened, rows, key);
    if (header.seq != hot.seq + 1)
        corrupt_event(happened, "has seq " + std::to_string(header.seq) + " after " + std::to_string(hot.seq));
    hot.seq = header.seq;
    hot.updated_at = std::max(hot.updated_at, header.time);
    put_row(rows, key, hot);
    append_to_runs<message_run>(rows, part, header.seq, happened.number);
    if (const auto* body = happened.as<log::message_appended>(); body != nullptr && body->local_id)
        put_row(
            rows, row_key(part, local_id_part(rows, header.stream.as<session_id>(), *body->local_id)),
            local_id_row{header.seq});
}

result<message_page> messages_after(
    const log::snapshot& at, account_id account, session_id session, std::uint64_t after, std::size_t count_max,
    std::size_t bytes_max)
{
    const auto from = after == UINT64_MAX ? std::nullopt : std::optional(after + 1);
    return guarded([&] { return read_page(at, account, session, from, count_max, bytes_max, direction::up); });
}

result<message_page> messages_before(
    const log::snapshot& at, account_id account, session_id session, std::uint64_t before, std::size_t count_max,
    std::size_t bytes_max)
{
    const auto from = before == 0 ? std::nullopt : std::optional(before - 1);
    return guarded([&] { return read_page(at, account, session, from, count_max, bytes_max, direction::down); });
}

} // namespace consortium::projections
