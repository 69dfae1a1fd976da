#include "consortium/common/bytes.hpp"
#include "consortium/protocol/socket_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::protocol::socket_io;
    const auto packet = parse(text(byte_view(data, size)));
    if (!packet)
        return 0;
    // Leading zeros of an id are not written again, so texts may differ; what they mean may not.
    const auto again = write(*packet);
    CONSORTIUM_ASSERT(parse(again) == *packet);

    if (const auto event = parse_event(*packet))
    {
        const auto written = message_event_args(event->name, event->args, packet->id);
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
