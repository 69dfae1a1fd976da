#include "consortium/common/bytes.hpp"
#include "consortium/protocol/limits.hpp"
#include "consortium/protocol/socket_io_assembler.hpp"

namespace
{
/// Messages, one a line; those that begin with `b` are of bytes.
void put_together(std::string_view lines)
{
    using namespace consortium::protocol::socket_io;
    constexpr std::size_t bytes_max = 512;
    assembler parts(bytes_max);
    while (!lines.empty())
    {
        const auto line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        const auto whole =
            line.starts_with('b') ? parts.take_attachment(std::string(line.substr(1))) : parts.take(line);
        CONSORTIUM_ASSERT(parts.held_bytes() <= bytes_max);
        if (!whole)
            return;
        if (!*whole)
            continue;
        CONSORTIUM_ASSERT((*whole)->attachments.size() == (*whole)->head.attachments);
        CONSORTIUM_ASSERT((*whole)->attachments.size() <= consortium::limits::attachments_max);
        if (const auto args = parse_args((*whole)->head); args && is_binary((*whole)->head.type))
            CONSORTIUM_ASSERT(count_placeholders(*args) == (*whole)->attachments.size());
    }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::protocol::socket_io;
    const auto input = text(byte_view(data, size));
    put_together(input);
    const auto packet = parse(input);
    if (!packet)
        return 0;
    // Leading zeros of an id are not written again, so texts may differ; what they mean may not.
    const auto again = write(*packet);
    CONSORTIUM_ASSERT(parse(again) == *packet);

    if (const auto event = parse_event(*packet))
    {
        const auto written = message_event_args(event->name, event->args, packet->id, packet->attachments);
        const auto reread = parse(std::string_view(written).substr(1));
        CONSORTIUM_ASSERT(reread && reread->id == packet->id);
        // Numbers with more digits than a double may come back as a neighbour, so not the values are compared.
        const auto event_again = parse_event(*reread);
        CONSORTIUM_ASSERT(event_again && event_again->name == event->name);
        CONSORTIUM_ASSERT(event_again->args.size() == event->args.size());
    }
    (void)parse_args(*packet);
    (void)parse_object(*packet);
    return 0;
}
