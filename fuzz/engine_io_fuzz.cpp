#include "consortium/common/bytes.hpp"
#include "consortium/protocol/engine_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::protocol::engine_io;
    const auto input = text(byte_view(data, size));

    // What a body's packets are written back as is the body.
    payload_reader reader(input);
    std::string again;
    bool whole = true;
    for (bool first = true; const auto each = reader.next(); first = false)
    {
        whole = each->has_value();
        if (!whole)
            break;
        if (!first)
            again += '\x1e';
        again += write(**each);
        if ((*each)->type != packet_type::binary)
            continue;
        if (const auto bytes = read_binary(**each))
            CONSORTIUM_ASSERT(write_binary(*bytes) == write(**each));
    }
    CONSORTIUM_ASSERT(!whole || again == input);

    if (const auto hello = parse_handshake(input))
        CONSORTIUM_ASSERT(parse_handshake(write_handshake(*hello)) == *hello);
    return 0;
}
