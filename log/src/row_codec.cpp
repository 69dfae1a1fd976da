#include "row_codec.hpp"
#include <sodium.h>

namespace consortium::log
{
namespace
{

/// The nonce of a row: its tag, filled up with zeros.
byte_array<24> row_nonce(byte_view tag) noexcept
{
    byte_array<24> nonce{};
    std::memcpy(nonce.data(), tag.data(), row_tag_bytes);
    return nonce;
}
static_assert(crypto_stream_xchacha20_NONCEBYTES == 24);

/// Both ways. An empty value may have no address, which libsodium does not take.
void encrypt(std::uint8_t* out, byte_view value, byte_view tag, const key256& key) noexcept
{
    if (!value.empty())
        crypto_stream_xchacha20_xor(out, value.data(), value.size(), row_nonce(tag).data(), key.data());
}

} // namespace

row_codec::row_codec(const key256& view_key)
    : tag_key_(derive_key(view_key, {view("row tag")})),
      cipher_key_(derive_key(view_key, {view("row")})),
      prf_key_(derive_key(view_key, {view("prf")}).view())
{
}

byte_array<row_tag_bytes> row_codec::tag(table_id table, byte_view key, byte_view value) const
{
    byte_array<8> place;
    const auto table_bytes = big_endian(static_cast<std::uint32_t>(table));
    const auto key_size = big_endian(static_cast<std::uint32_t>(key.size()));
    std::memcpy(place.data(), table_bytes.data(), 4);
    std::memcpy(place.data() + 4, key_size.data(), 4);

    crypto_generichash_state state;
    byte_array<row_tag_bytes> out;
    crypto_generichash_init(&state, tag_key_.data(), tag_key_.size(), out.size());
    crypto_generichash_update(&state, place.data(), place.size());
    crypto_generichash_update(&state, key.data(), key.size());
    crypto_generichash_update(&state, value.data(), value.size());
    crypto_generichash_final(&state, out.data(), out.size());
    return out;
}

void row_codec::seal(bytes& out, table_id table, byte_view key, byte_view value) const
{
    const auto synthetic = tag(table, key, value);
    out.resize(row_tag_bytes + value.size());
    std::memcpy(out.data(), synthetic.data(), row_tag_bytes);
    encrypt(out.data() + row_tag_bytes, value, synthetic, cipher_key_);
}

result<bytes> row_codec::open(table_id table, byte_view key, byte_view sealed) const
{
    if (sealed.size() < row_tag_bytes)
        return fail(errc::corrupt, "view row is too short");
    const auto synthetic = sealed.first(row_tag_bytes);
    bytes value(sealed.size() - row_tag_bytes);
    encrypt(value.data(), sealed.subspan(row_tag_bytes), synthetic, cipher_key_);
    if (!equal_constant_time(tag(table, key, value), synthetic))
        return fail(errc::corrupt, "view row does not authenticate");
    return value;
}

byte_array<16> row_codec::prf(byte_parts parts) const
{
    return to_array<16>(prf_key_(parts));
}

} // namespace consortium::log
