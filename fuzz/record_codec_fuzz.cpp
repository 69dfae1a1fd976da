#include "consortium/common/error.hpp"
#include "record_codec.hpp"
#include "rocks_store.hpp"
#include <algorithm>

// Values of records, headers in clear and heads of the log, as a damaged disk may return them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::log;
    static const sealing_key log_key(key256(byte_array<32>{1}));
    static const sealing_key data_key(key256(byte_array<32>{2}));
    const byte_view input(data, size);

    // As it is: hardly ever authentic, but it must be taken apart safely.
    if (const auto record = parse_record(input))
        if (const auto header = open_header(*record, log_key, {1}))
            static_cast<void>(open_body(*record, data_key, *header));
    static_cast<void>(head_state::parse(input));

    // As header and body in clear: what is readable is written back to the same bytes, sealed and opened.
    if (size < header_bytes)
        return 0;
    auto image = to_array<header_bytes>(input);
    const auto body = input.subspan(header_bytes);
    const auto body_size = little_endian(static_cast<std::uint32_t>(body.size()));
    std::ranges::copy(body_size, image.end() - 4);
    const auto header = read_header(image);
    if (!header)
        return 0;
    CONSORTIUM_ASSERT(write_header(*header) == image);
    bytes value;
    const auto leaf = seal_record(value, log_key, {1}, *header, {}, data_key, body);
    const auto record = parse_record(value);
    CONSORTIUM_ASSERT(record && record->leaf() == leaf);
    const auto opened = open_header(*record, log_key, {1});
    CONSORTIUM_ASSERT(opened && opened->header == *header);
    const auto plain = open_body(*record, data_key, *opened);
    CONSORTIUM_ASSERT(plain && std::ranges::equal(*plain, body));
    return 0;
}
