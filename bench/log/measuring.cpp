#include "measuring.hpp"
#include <algorithm>
#include <cmath>
#include <sys/resource.h>

namespace consortium::bench
{

double cpu_seconds()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time)
    { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double quantile(std::vector<double> values, double share)
{
    if (values.empty())
        return 0;
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

double rounds::ratio_to(const rounds& other) const
{
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(rates_.size(), other.rates_.size()); ++i)
        ratios.push_back(rates_[i] / other.rates_[i]);
    return median(std::move(ratios));
}

std::string grouped(double value)
{
    auto out = std::to_string(std::llround(value));
    for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
        out.insert(static_cast<std::size_t>(at), ",");
    return out;
}

std::string decimal(double value, int digits)
{
    std::string out(32, '\0');
    out.resize(static_cast<std::size_t>(std::snprintf(out.data(), out.size(), "%.*f", digits, value)));
    return out;
}

std::string percent(double share)
{
    return decimal(100 * share, 0) + " %";
}

table::table(const std::vector<std::string>& columns)
{
    row(columns);
    row(std::vector<std::string>(columns.size(), "---"));
}

void table::row(const std::vector<std::string>& cells)
{
    std::fputs("|", stdout);
    for (const auto& cell : cells)
        std::printf(" %s |", cell.c_str());
    std::fputs("\n", stdout);
    std::fflush(stdout);
}

void heading(std::string_view text)
{
    std::printf("\n### %.*s\n\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
}

} // namespace consortium::bench
