#pragma once
#include <algorithm>
#include <boost/json/value.hpp>
#include <boost/math/special_functions/next.hpp>
#include <cmath>

namespace consortium::fuzz
{

/// Whether both say the same, where Boost.JSON 1.81 read one of them: it reads a number of many digits to within a few
/// units in the last place.
inline bool same_json(const boost::json::value& one, const boost::json::value& other)
{
    constexpr double units_max = 8;
    if (const auto *a = one.if_double(), *b = other.if_double(); a != nullptr && b != nullptr)
        return *a == *b ||
               (std::isfinite(*a) && std::isfinite(*b) && std::abs(boost::math::float_distance(*a, *b)) <= units_max);
    if (const auto *a = one.if_array(), *b = other.if_array(); a != nullptr && b != nullptr)
        return std::ranges::equal(*a, *b, same_json);
    if (const auto *a = one.if_object(), *b = other.if_object(); a != nullptr && b != nullptr)
        return a->size() == b->size() && std::ranges::all_of(
                                             *a,
                                             [b](const auto& member)
                                             {
                                                 const auto* there = b->if_contains(member.key());
                                                 return there != nullptr && same_json(member.value(), *there);
                                             });
    return one == other;
}

} // namespace consortium::fuzz
