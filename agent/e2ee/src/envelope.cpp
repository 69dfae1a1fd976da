#include "consortium/e2ee/envelope.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include <boost/json.hpp>

namespace consortium::e2ee
{
namespace json = boost::json;
namespace
{

constexpr std::size_t name_letters = 32;
constexpr std::int64_t n_max = std::int64_t{1} << 53; // JavaScript's integers

bool is_random_name(std::string_view text)
{
    return text.size() == name_letters && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

auto refuse()
{
    return fail(errc::corrupt, "an authentic bundle has a content of unknown form");
}

result<json::object> object_of(std::string_view text)
{
    auto object = protocol::read_foreign_object(text, protocol::stored_depth_max);
    if (!object)
        return refuse();
    return object;
}

std::optional<std::int64_t> integer(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value == nullptr || !value->is_int64())
        return std::nullopt;
    return value->get_int64();
}

std::optional<std::string> random_name(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value == nullptr || !value->is_string() || !is_random_name(value->get_string()))
        return std::nullopt;
    return std::string(value->get_string());
}

/// Null, or the base64 of an id; anything else is refused.
result<std::optional<bundle_id>> id_or_null(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value != nullptr && value->is_null())
        return std::nullopt;
    if (value == nullptr || !value->is_string())
        return refuse();
    const auto id = base64_decode(std::string_view(value->get_string()));
    if (!id || id->size() != sizeof(bundle_id))
        return refuse();
    return to_array<sizeof(bundle_id)>(*id);
}

json::value id_or_null(const std::optional<bundle_id>& id)
{
    return id ? json::value(base64_encode(*id)) : json::value(nullptr);
}

json::object to_object(const envelope& value)
{
    return {{"at", value.at}, {"from", value.from}, {"n", value.n}, {"prev", id_or_null(value.prev)}, {"d", value.d}};
}

std::optional<envelope> place_of(const json::object& object)
{
    const auto from = random_name(object, "from");
    const auto n = integer(object, "n");
    const auto prev = id_or_null(object, "prev");
    if (!from || !n || *n < 1 || *n > n_max || !prev || prev->has_value() != (*n > 1))
        return std::nullopt;
    return envelope{0, *from, static_cast<std::uint64_t>(*n), *prev, nullptr};
}

result<envelope> from_object(json::object& object)
{
    const auto at = integer(object, "at");
    auto out = place_of(object);
    auto* d = object.if_contains("d");
    if (!at || !out || d == nullptr)
        return refuse();
    out->at = *at;
    out->d = std::move(*d);
    return std::move(*out);
}

/// What stands behind the first such name, as far as the next comma or bracket.
std::optional<json::value> value_behind(std::string_view text, const std::string& name)
{
    const auto key = "\"" + name + "\":";
    const auto at = text.find(key);
    if (at == std::string_view::npos)
        return std::nullopt;
    const auto rest = text.substr(at + key.size());
    auto value = protocol::read_foreign_json(rest.substr(0, rest.find_first_of(",}")));
    return value ? std::optional(std::move(*value)) : std::nullopt;
}

} // namespace

std::string envelope_text(const envelope& value)
{
    return json::serialize(to_object(value));
}

result<envelope> envelope_parse(byte_view plain)
{
    auto object = object_of(text(plain));
    if (!object)
        return std::unexpected(object.error());
    return from_object(*object);
}

std::string prompt_text(const prompt_words& value)
{
    auto out = to_object(value.said);
    out["seen"] = id_or_null(value.seen);
    out["until"] = value.until;
    return json::serialize(out);
}

result<prompt_words> prompt_parse(std::string_view text)
{
    auto object = object_of(text);
    if (!object)
        return std::unexpected(object.error());
    const auto seen = id_or_null(*object, "seen");
    const auto until = integer(*object, "until");
    auto said = from_object(*object);
    if (!seen || !until || !said)
        return refuse();
    return prompt_words{std::move(*said), *seen, *until};
}

std::optional<envelope> place_in_chain(std::string_view text)
{
    if (const auto object = object_of(text))
        return place_of(*object);
    json::object found;
    for (const auto* name : {"from", "n", "prev"})
    {
        auto value = value_behind(text, name);
        if (!value)
            return std::nullopt;
        found[name] = std::move(*value);
    }
    return place_of(found);
}

std::string call_text(const call_words& value)
{
    return json::serialize(json::object{{"challenge", value.challenge}, {"d", value.d}});
}

result<call_words> call_parse(std::string_view text)
{
    auto object = object_of(text);
    if (!object)
        return std::unexpected(object.error());
    const auto challenge = random_name(*object, "challenge");
    auto* d = object->if_contains("d");
    if (!challenge || d == nullptr)
        return refuse();
    return call_words{*challenge, std::move(*d)};
}

std::string make_random_name()
{
    return hex_encode(random_array<16>());
}

} // namespace consortium::e2ee
