#include "record_codec.hpp"
#include "consortium/common/aead.hpp"
#include "consortium/common/merkle.hpp"

namespace consortium::log
{
namespace
{

constexpr std::size_t sealed_header_bytes = header_bytes + aead_tag_bytes;

/// Authenticated data of a sealed header: 0x01 ‖ lsn u64be.
byte_array<9> header_place(lsn number) noexcept
{
    byte_array<9> out{0x01};
    const auto position = big_endian(number.value);
    std::memcpy(out.data() + 1, position.data(), position.size());
    return out;
}

key256 blinding_key(const sealing_key& key, std::string_view label, const event_header& header)
{
    return key256(key.derive({view(label), header.account.view(), big_endian(header.rev.value)}));
}

/// Random bytes for a nonce, fetched from the kernel many at a time: a system call per nonce costs as much as sealing.
/// Nonces are public; what is prepared need not be kept secret.
xchacha_nonce next_nonce()
{
    struct reserve
    {
        byte_array<128 * xchacha_nonce_bytes> random;
        std::size_t used = sizeof(random);
    };
    thread_local reserve prepared;
    if (prepared.used == sizeof(prepared.random))
    {
        fill_random(prepared.random);
        prepared.used = 0;
    }
    xchacha_nonce out;
    std::memcpy(out.data(), prepared.random.data() + prepared.used, out.size());
    prepared.used += out.size();
    return out;
}

template <std::size_t N>
void put(std::uint8_t*& to, const byte_array<N>& data) noexcept
{
    std::memcpy(to, data.data(), N);
    to += N;
}
template <std::size_t N>
byte_array<N> take(const std::uint8_t*& from) noexcept
{
    byte_array<N> out;
    std::memcpy(out.data(), from, N);
    from += N;
    return out;
}
byte_view take(byte_view& from, std::size_t size) noexcept
{
    const auto out = from.first(size);
    from = from.subspan(size);
    return out;
}

} // namespace

header_image write_header(const event_header& header) noexcept
{
    header_image out;
    auto* to = out.data();
    put(to, little_endian(static_cast<std::uint16_t>(header.type)));
    put(to, header.account.value);
    put(to, header.stream.value);
    put(to, little_endian(header.rev.value));
    put(to, little_endian(header.seq));
    put(to, little_endian(header.time));
    put(to, little_endian(header.body_bytes));
    return out;
}

result<event_header> read_header(const header_image& image)
{
    const auto* from = image.data();
    event_header out;
    const auto type = load_little_endian<std::uint16_t>(take<2>(from));
    out.type = static_cast<event_type>(type);
    out.account.value = take<16>(from);
    out.stream.value = take<16>(from);
    out.rev.value = load_little_endian<std::uint64_t>(take<8>(from));
    out.seq = load_little_endian<std::uint64_t>(take<8>(from));
    out.time = load_little_endian<std::int64_t>(take<8>(from));
    out.body_bytes = load_little_endian<std::uint32_t>(take<4>(from));
    if (!is_known(out.type))
        return fail(errc::newer_version, "event type " + std::to_string(type) + " is unknown to this version");
    return out;
}

key256 header_key(const sealing_key& log_key, const event_header& header)
{
    return blinding_key(log_key, "hdr", header);
}
key256 body_key(const sealing_key& data_key, const event_header& header)
{
    return blinding_key(data_key, "body", header);
}

digest256 commit_header(const sealing_key& log_key, const event_header& header, const header_image& image)
{
    return hmac_sha256(header_key(log_key, header).view(), {image});
}
digest256 commit_body(const sealing_key& data_key, const event_header& header, byte_view body)
{
    return hmac_sha256(body_key(data_key, header).view(), {body});
}
digest256 record_leaf(const digest256& header_commitment, const digest256& body_commitment)
{
    byte_array<65> joined{0x00}; // RFC 6962 section 2.1: a leaf's prefix
    std::memcpy(joined.data() + 1, header_commitment.data(), 32);
    std::memcpy(joined.data() + 33, body_commitment.data(), 32);
    return sha256({joined});
}

digest256 seal_record(
    bytes& out, const sealing_key& log_key, lsn number, const event_header& header, const stored_key_id& key,
    const sealing_key& data_key, byte_view body)
{
    CONSORTIUM_ASSERT(header.body_bytes == body.size());
    const auto image = write_header(header);
    const auto header_commitment = commit_header(log_key, header, image);
    const auto body_commitment = commit_body(data_key, header, body);
    const auto header_nonce = next_nonce();
    const auto body_nonce = next_nonce();

    out.clear();
    out.reserve(record_overhead_bytes + body.size());
    out.push_back(record_version);
    append(out, key);
    append(out, header_commitment);
    append(out, body_commitment);
    append(out, header_nonce);
    xchacha_seal(out, log_key.cipher, header_nonce, header_place(number), image);
    append(out, body_nonce);
    xchacha_seal(out, data_key.cipher, body_nonce, image, body);
    return record_leaf(header_commitment, body_commitment);
}

result<record_view> parse_record(byte_view value)
{
    if (value.empty())
        return fail(errc::corrupt, "record is empty");
    if (value[0] != record_version)
        return fail(
            value[0] > record_version ? errc::newer_version : errc::corrupt,
            "record has version " + std::to_string(value[0]));
    if (value.size() < record_overhead_bytes)
        return fail(errc::corrupt, "record is too short");
    value = value.subspan(1);
    record_view out;
    out.key = to_array<16>(take(value, 16));
    out.header_commitment = to_array<32>(take(value, 32));
    out.body_commitment = to_array<32>(take(value, 32));
    out.header_nonce = take(value, xchacha_nonce_bytes);
    out.sealed_header = take(value, sealed_header_bytes);
    out.body_nonce = take(value, xchacha_nonce_bytes);
    out.sealed_body = value;
    return out;
}

result<opened_header> open_header(const record_view& record, const sealing_key& log_key, lsn number)
{
    thread_local bytes plain;
    if (!xchacha_open(plain, log_key.cipher, record.header_nonce, header_place(number), record.sealed_header))
        return fail(errc::corrupt, "record header does not authenticate");
    opened_header out;
    out.image = to_array<header_bytes>(plain);
    auto header = read_header(out.image);
    if (!header)
        return std::unexpected(header.error());
    out.header = *header;
    if (record.sealed_body.size() != std::size_t{out.header.body_bytes} + aead_tag_bytes)
        return fail(errc::corrupt, "record body has another size than its header says");
    return out;
}

result<void> open_body(bytes& out, const record_view& record, const sealing_key& data_key, const opened_header& header)
{
    if (!xchacha_open(out, data_key.cipher, record.body_nonce, header.image, record.sealed_body))
        return fail(errc::corrupt, "record body does not authenticate");
    return {};
}

result<bytes> open_body(const record_view& record, const sealing_key& data_key, const opened_header& header)
{
    bytes out;
    if (auto opened = open_body(out, record, data_key, header); !opened)
        return std::unexpected(opened.error());
    return out;
}

} // namespace consortium::log
