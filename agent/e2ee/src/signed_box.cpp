#include "consortium/e2ee/signed_box.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "length16.hpp"

namespace consortium::e2ee
{
namespace
{

constexpr std::uint8_t signed_box_version = 1; // docs/protocol.md 4

bytes signed_words(
    const account_id& account, const x25519_public& content, const box_purpose& purpose, byte_view payload)
{
    bytes out = to_bytes(view(purpose.label));
    append(out, account.view());
    append(out, content);
    append_length16(out, purpose.scope);
    append(out, payload);
    return out;
}

} // namespace

result<std::string> seal_signed_box(
    const ed25519_key& device, const account_id& account, const x25519_public& content, const box_purpose& purpose,
    byte_view payload)
{
    bytes plain = to_bytes(device.public_key());
    auto words = signed_words(account, content, purpose, payload);
    append(plain, device.sign(words));
    append(plain, payload);
    const auto sealed = box_bundle_seal(content, plain);
    wipe(words); // both may hold a key
    wipe(plain);
    if (!sealed)
        return std::unexpected(sealed.error());
    bytes out{signed_box_version};
    append(out, *sealed);
    return base64_encode(out);
}

result<opened_box>
open_signed_box(const x25519_key& content, const account_id& account, const box_purpose& purpose, std::string_view box)
{
    const auto data = base64_decode(box);
    if (!data || data->empty())
        return fail(errc::corrupt, "a signed box is not base64");
    if (data->front() != signed_box_version)
        return fail(errc::newer_version, "a signed box of another version");
    auto plain = box_bundle_open(content, byte_view(*data).subspan(1));
    if (!plain)
        return std::unexpected(plain.error());
    constexpr std::size_t head = sizeof(ed25519_public) + sizeof(ed25519_signature);
    if (plain->size() < head)
        return fail(errc::corrupt, "a signed box is too short");
    const auto all = byte_view(*plain);
    opened_box out{to_array<sizeof(ed25519_public)>(all), to_bytes(all.subspan(head))};
    auto words = signed_words(account, content.public_key(), purpose, out.payload);
    const bool good = ed25519_verify(out.device, words, all.subspan(sizeof(ed25519_public), sizeof(ed25519_signature)));
    wipe(words);
    wipe(*plain);
    if (!good)
        return fail(errc::corrupt, "a signed box is not signed for this account, key and purpose");
    return out;
}

result<std::string> seal_data_key(
    const ed25519_key& device, const account_id& account, const x25519_public& content, std::string scope,
    const key256& data_key)
{
    return seal_signed_box(device, account, content, {data_key_label, std::move(scope)}, data_key.view());
}

result<opened_data_key>
open_data_key(const x25519_key& content, const account_id& account, std::string scope, std::string_view box)
{
    auto opened = open_signed_box(content, account, {data_key_label, std::move(scope)}, box);
    if (!opened)
        return std::unexpected(opened.error());
    if (opened->payload.size() != key256::size())
        return fail(errc::corrupt, "a data key has the wrong size");
    opened_data_key out{opened->device, key256::from(opened->payload)};
    wipe(opened->payload);
    return out;
}

} // namespace consortium::e2ee
