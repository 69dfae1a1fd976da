#include "consortium/e2ee/envelope.hpp"
#include "consortium/common/base64.hpp"
#include <boost/json.hpp>

namespace consortium::e2ee
{
namespace json = boost::json;
namespace
{

constexpr std::size_t instance_letters = 32;
constexpr std::int64_t n_max = std::int64_t{1} << 53; // JavaScript's integers

bool is_instance(std::string_view text)
{
    return text.size() == instance_letters && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

auto refuse()
{
    return fail(errc::corrupt, "an authentic bundle has a content of unknown form");
}

result<json::object> object_of(byte_view plain)
{
    boost::system::error_code problem;
    auto value = json::parse(json::string_view(text(plain).data(), plain.size()), problem);
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

std::optional<std::string> instance(const json::object& from, std::string_view name)
{
    const auto* value = from.if_contains(name);
    if (value == nullptr || !value->is_string() || !is_instance(value->get_string()))
        return std::nullopt;
    return std::string(value->get_string());
}

} // namespace

std::string envelope_text(const envelope& value)
{
    json::object out;
    out["at"] = value.at;
    out["from"] = value.from;
    out["n"] = value.n;
    out["prev"] = value.prev ? json::value(base64_encode(*value.prev)) : json::value(nullptr);
    if (value.to)
        out["to"] = *value.to;
    out["d"] = value.d;
    return json::serialize(out);
}

result<envelope> envelope_parse(byte_view plain)
{
    auto object = object_of(plain);
    if (!object)
        return std::unexpected(object.error());
    const auto at = integer(*object, "at");
    const auto from = instance(*object, "from");
    const auto n = integer(*object, "n");
    const auto* prev = object->if_contains("prev");
    auto* d = object->if_contains("d");
    if (!at || !from || !n || *n < 1 || *n > n_max || d == nullptr)
        return refuse();

    envelope out{*at, *from, static_cast<std::uint64_t>(*n), std::nullopt, std::nullopt, std::move(*d)};
    if (prev != nullptr && !prev->is_null())
    {
        if (!prev->is_string())
            return refuse();
        const auto id = base64_decode(std::string_view(prev->get_string()));
        if (!id || id->size() != 16)
            return refuse();
        out.prev = to_array<16>(*id);
    }
    if (out.prev.has_value() != (out.n > 1))
        return refuse();
    if (object->contains("to"))
    {
        out.to = instance(*object, "to");
        if (!out.to)
            return refuse();
    }
    return out;
}

std::string directed_text(const directed& value)
{
    return json::serialize(json::object{{"at", value.at}, {"to", value.to}, {"d", value.d}});
}

result<directed> directed_parse(byte_view plain)
{
    auto object = object_of(plain);
    if (!object)
        return std::unexpected(object.error());
    const auto at = integer(*object, "at");
    const auto to = instance(*object, "to");
    auto* d = object->if_contains("d");
    if (!at || !to || d == nullptr)
        return refuse();
    return directed{*at, *to, std::move(*d)};
}

std::string make_instance_id()
{
    return hex_encode(random_array<16>());
}

} // namespace consortium::e2ee
