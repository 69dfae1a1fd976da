#pragma once
#include "consortium/common/error.hpp"
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Times, and the tables they are printed in.
namespace consortium::bench
{

using steady = std::chrono::steady_clock;

/// CPU time of this process so far, which other people's programs do not lengthen.
double cpu_seconds();

/// What something took: all threads together for `cpu`.
struct spent
{
    double wall_s = 0;
    double cpu_s = 0;
};

template <class Action>
spent measure(Action&& action)
{
    const auto cpu = cpu_seconds();
    const auto begun = steady::now();
    action();
    return {.wall_s = std::chrono::duration<double>(steady::now() - begun).count(), .cpu_s = cpu_seconds() - cpu};
}

/// The value below which `share` of them lie; 0 of none.
double quantile(std::vector<double> values, double share);
inline double median(std::vector<double> values)
{
    return quantile(std::move(values), 0.5);
}

/// Rounds of the same measurement: each is a rate and its cost.
class rounds
{
public:
    void add(double count, spent what)
    {
        rates_.push_back(count / what.wall_s);
        cpu_us_.push_back(1e6 * what.cpu_s / count);
    }
    double rate() const { return median(rates_); }
    double cpu_us() const { return median(cpu_us_); }
    /// Median of the rates, round by round: both of a round ran next to each other.
    double ratio_to(const rounds& other) const;

private:
    std::vector<double> rates_;
    std::vector<double> cpu_us_;
};

/// "12,345"
std::string grouped(double value);
std::string decimal(double value, int digits);
std::string percent(double share);

/// Prints as it grows: a Markdown table, one row at a time.
class table
{
public:
    explicit table(const std::vector<std::string>& columns);
    void row(const std::vector<std::string>& cells);
};

void heading(std::string_view text);

template <class T>
T need(result<T> value, const char* what)
{
    if (!value)
        throw std::runtime_error(std::string(what) + ": " + value.error().detail);
    if constexpr (!std::is_void_v<T>)
        return std::move(*value);
}

} // namespace consortium::bench
