#include "consortium/common/error.hpp"
#include "event_codec.hpp"

// Bodies of events: the event's type in two bytes, then a FlatBuffer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::log;
    if (size < 2)
        return 0;
    const byte_view input(data, size);
    const auto type = static_cast<event_type>(load_little_endian<std::uint16_t>(input));
    const auto encoded = to_bytes(input.subspan(2)); // aligned, as the plain text of a record is
    const auto body = decode_body(type, encoded);
    CONSORTIUM_ASSERT(check_body(type, encoded).has_value() == body.has_value());
    if (!body)
        return 0;
    // What could be read is written and read again as the same.
    body_encoder encoder;
    const auto again = decode_body(type, encoder.encode(*body));
    CONSORTIUM_ASSERT(again && *again == *body);
    return 0;
}
