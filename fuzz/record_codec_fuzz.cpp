#include "consortium/common/error.hpp"
#include "event_codec.hpp"
#include "record_codec.hpp"
#include <algorithm>

// Records as a damaged disk may return them, and as somebody who has the keys may have written them: headers and bodies
// are sealed as they come, then opened, altered, cut and moved.
namespace
{

using namespace consortium;
using namespace consortium::log;

const sealing_key& log_key()
{
    static const sealing_key key(key256(byte_array<32>{1}));
    return key;
}
const sealing_key& data_key()
{
    static const sealing_key key(key256(byte_array<32>{2}));
    return key;
}

/// What a reader makes of a value: an event of which all is as it was written, or nothing.
struct read_record
{
    record_view record;
    opened_header header;
    bytes body;
};
result<read_record> read(byte_view value, lsn number)
{
    auto record = parse_record(value);
    if (!record)
        return std::unexpected(record.error());
    auto header = open_header(*record, log_key(), number);
    if (!header)
        return std::unexpected(header.error());
    auto body = open_body(*record, data_key(), *header);
    if (!body)
        return std::unexpected(body.error());
    return read_record{.record = *record, .header = std::move(*header), .body = std::move(*body)};
}

/// As `verify` looks at it.
bool commitments_fit(const read_record& from)
{
    return from.record.header_commitment == commit_header(log_key(), from.header.header, from.header.image) &&
           from.record.body_commitment == commit_body(data_key(), from.header.header, from.body);
}

void expect_harmless(byte_view altered, lsn number, const read_record& as_written, const stored_key_id& key)
{
    const auto found = read(altered, number);
    if (!found)
        return;
    // Only what is not sealed can have changed: the name of the key, or a commitment, which does not fit then.
    CONSORTIUM_ASSERT(found->header.image == as_written.header.image && found->body == as_written.body);
    CONSORTIUM_ASSERT(found->record.key != key || !commitments_fit(*found));
}

} // namespace

// Input: where to alter u32le, by what u8, lsn u8, header in clear (its body size is set to fit), body in clear.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    static_cast<void>(read(input, {1}));

    constexpr std::size_t prefix = 6;
    if (size < prefix + header_bytes)
        return 0;
    const std::size_t where = load_little_endian<std::uint32_t>(input);
    const auto change = input[4];
    const lsn number{input[5]};
    const auto body = input.subspan(prefix + header_bytes);
    auto image = to_array<header_bytes>(input.subspan(prefix));
    std::ranges::copy(little_endian(static_cast<std::uint32_t>(body.size())), image.end() - 4);

    // Of a type from the future as well.
    const auto type = load_little_endian<std::uint16_t>(image);
    auto known = image;
    std::ranges::copy(little_endian(std::uint16_t{1}), known.begin());
    auto header = read_header(known).value();
    header.type = static_cast<event_type>(type);
    CONSORTIUM_ASSERT(write_header(header) == image);
    const stored_key_id key{3};
    bytes value;
    const auto leaf = seal_record(value, log_key(), number, header, key, data_key(), body);
    const auto found = read(value, number);
    if (!is_known(header.type))
    {
        CONSORTIUM_ASSERT(!found && found.error() == errc::newer_version);
        return 0;
    }
    CONSORTIUM_ASSERT(found && found->header.header == header && found->header.image == image);
    CONSORTIUM_ASSERT(std::ranges::equal(found->body, body) && commitments_fit(*found));
    CONSORTIUM_ASSERT(found->record.leaf() == leaf);
    // What it says, if anything.
    static_cast<void>(decode_body(header.type, found->body));

    const auto at = where % value.size();
    if (change != 0)
    {
        auto altered = value;
        altered[at] ^= change;
        expect_harmless(altered, number, *found, key);
    }
    CONSORTIUM_ASSERT(!read(byte_view(value).first(at), number));
    auto longer = value;
    longer.push_back(change);
    CONSORTIUM_ASSERT(!read(longer, number));
    CONSORTIUM_ASSERT(!read(value, number.next()));
    return 0;
}
