#include "report.hpp"
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>
#include <iostream>

namespace consortium::admin
{
namespace
{

std::string one_decimal(double value)
{
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), "%.1f", value);
    return out.data();
}

} // namespace

std::string number_text(std::uint64_t number)
{
    auto out = std::to_string(number);
    for (auto at = out.size(); at > 3; at -= 3)
        out.insert(at - 3, ",");
    return out;
}

std::string count_text(std::uint64_t number, std::string_view what)
{
    return number_text(number) + " " + std::string(what) + (number == 1 ? "" : "s");
}

std::string size_text(std::uint64_t bytes)
{
    if (bytes < 1024)
        return count_text(bytes, "byte");
    static constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit)
        value /= 1024;
    return one_decimal(value) + " " + units[unit];
}

std::string time_text(std::chrono::nanoseconds time)
{
    using namespace std::chrono;
    if (time < 1s)
        return std::to_string(duration_cast<milliseconds>(time).count()) + " ms";
    if (time < 1min)
        return one_decimal(duration<double>(time).count()) + " s";
    const auto whole = duration_cast<seconds>(time);
    return std::to_string(whole / 1min) + " min " + std::to_string((whole % 1min).count()) + " s";
}

std::string utc_text(std::int64_t ms)
{
    const auto seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    std::array<char, 32> out{};
    if (::gmtime_r(&seconds, &parts) == nullptr ||
        std::strftime(out.data(), out.size(), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        return std::to_string(ms) + " ms";
    return out.data();
}

void print_error(const error& why, bool json)
{
    if (json)
        std::cout << boost::json::serialize(boost::json::object{
                         {"error", boost::json::object{{"code", word(why.code)}, {"detail", why.detail}}}})
                  << "\n";
    else
        std::cerr << "consortium-admin: " << why.detail << "\n";
}

} // namespace consortium::admin
