#pragma once
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

/// Reading JSON of others: what is missing or of another type is simply not there.
namespace consortium::agent
{

/// Empty when there is no such text.
inline std::string text_at(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
inline bool flag_at(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}
inline const boost::json::object* object_at(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr ? value->if_object() : nullptr;
}
inline const boost::json::array* array_at(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    return value != nullptr ? value->if_array() : nullptr;
}
/// 0 when there is no such whole number.
inline std::int64_t number_at(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    if (value == nullptr)
        return 0;
    if (value->is_int64())
        return value->get_int64();
    return value->is_uint64() ? static_cast<std::int64_t>(value->get_uint64()) : 0;
}

} // namespace consortium::agent
