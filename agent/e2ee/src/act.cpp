#include "consortium/e2ee/act.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "length16.hpp"
#include <boost/json.hpp>

namespace consortium::e2ee
{
namespace json = boost::json;
namespace
{

constexpr std::string_view act_label = "consortium act 1\n"; // docs/protocol.md 5.2

bytes signed_words(const act_place& place, std::string_view text)
{
    bytes out = to_bytes(view(act_label));
    append(out, place.account.view());
    append_length16(out, place.scope);
    append_length16(out, place.kind);
    append(out, place.bundle);
    append(out, sha256({view(text)}));
    return out;
}

auto refuse()
{
    return fail(errc::corrupt, "an act has the form {text, device, signature}");
}

const json::string* string_at(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr ? value->if_string() : nullptr;
}

template <std::size_t N>
result<byte_array<N>> fixed(const json::string* text)
{
    const auto data = text != nullptr ? base64_decode(std::string_view(*text)) : result<bytes>(refuse());
    if (!data || data->size() != N)
        return refuse();
    return to_array<N>(*data);
}

} // namespace

signed_act sign_act(const ed25519_key& device, const act_place& place, std::string text)
{
    const auto signature = device.sign(signed_words(place, text));
    return {std::move(text), device.public_key(), signature};
}

bool verify_act(const act_place& place, const signed_act& said)
{
    return ed25519_verify(said.device, signed_words(place, said.text), said.signature);
}

std::string act_plain(const signed_act& said)
{
    return json::serialize(json::object{
        {"text", said.text}, {"device", base64_encode(said.device)}, {"signature", base64_encode(said.signature)}});
}

result<signed_act> act_parse(byte_view plain)
{
    const auto object = protocol::read_foreign_object(text(plain));
    if (!object)
        return refuse();
    const auto* words = string_at(*object, "text");
    const auto device = fixed<sizeof(ed25519_public)>(string_at(*object, "device"));
    const auto signature = fixed<sizeof(ed25519_signature)>(string_at(*object, "signature"));
    if (words == nullptr || !device || !signature)
        return refuse();
    return signed_act{std::string(*words), *device, *signature};
}

std::string ask_hash(std::string_view ask)
{
    return hex_encode(sha256({view(ask)}));
}

} // namespace consortium::e2ee
