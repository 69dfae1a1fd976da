#include "consortium/e2ee/envelope.hpp"
#include "consortium/common/base64.hpp"
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
    boost::system::error_code problem;
    auto value = json::parse(json::string_view(text.data(), text.size()), problem);
    if (problem || !value.is_object())
        return refuse();
    return std::move(value.get_object());
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

result<envelope> from_object(json::object& object)
{
    const auto at = integer(object, "at");
    const auto from = random_name(object, "from");
    const auto n = integer(object, "n");
    const auto prev = id_or_null(object, "prev");
    auto* d = object.if_contains("d");
    if (!at || !from || !n || *n < 1 || *n > n_max || !prev || prev->has_value() != (*n > 1) || d == nullptr)
        return refuse();
    return envelope{*at, *from, static_cast<std::uint64_t>(*n), *prev, std::move(*d)};
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
