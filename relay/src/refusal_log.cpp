#include "refusal_log.hpp"
#include <algorithm>
#include <spdlog/spdlog.h>
#include <vector>

namespace consortium::relay
{
namespace
{

constexpr std::size_t addresses_max = 1024; ///< that one kind remembers
constexpr std::size_t named_max = 8;
constexpr std::chrono::seconds look_interval{1};

/// 1204 is "1,204".
std::string grouped(std::size_t number)
{
    auto out = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
        out.insert(static_cast<std::size_t>(at), 1, ',');
    return out;
}

} // namespace

refusal_log::refusal_log(std::function<void(refused, errc)> count)
    : refusal_log(
          {.names_addresses = [] { return spdlog::should_log(spdlog::level::debug); }, .count = std::move(count)},
          [](const std::string& line) { spdlog::warn("{}", line); })
{
}

refusal_log::refusal_log(settings how, sink say) : how_(std::move(how)), say_(std::move(say)) {}

void refusal_log::note(refused of, errc reason, std::string_view why, std::string_view address)
{
    if (how_.count)
        how_.count(of, reason);
    const std::lock_guard lock(guard_);
    auto& what = kinds_[{of, std::string(why)}];
    if (what.count++ == 0)
        what.since = clock::now();
    if (address.empty())
        return;
    if (const auto known = what.addresses.find(address); known != what.addresses.end())
        ++known->second;
    else if (what.addresses.size() < addresses_max)
        what.addresses.emplace(address, 1);
    else
        what.more_addresses = true;
}

std::string refusal_log::sentence(refused of, std::string_view why, const kind& what, clock::time_point now) const
{
    auto out = "refused " + grouped(what.count) + " " + std::string(plural(of));
    if (!what.addresses.empty())
        out += " of " + std::string(what.more_addresses ? "more than " : "") + grouped(what.addresses.size()) +
               (what.addresses.size() == 1 ? " address" : " addresses");
    const auto span = std::chrono::ceil<std::chrono::seconds>(now - what.since).count();
    out += " in the last " + (span >= 60 ? "minute" : std::to_string(std::max<std::int64_t>(span, 1)) + " s") + ": ";
    out += why;
    if (what.addresses.empty() || !how_.names_addresses || !how_.names_addresses())
        return out;

    std::vector<std::pair<std::string, std::size_t>> most(what.addresses.begin(), what.addresses.end());
    const auto end = most.begin() + static_cast<std::ptrdiff_t>(std::min(most.size(), named_max));
    std::ranges::partial_sort(most, end, std::greater{}, &std::pair<std::string, std::size_t>::second);
    for (auto at = most.begin(); at != end; ++at)
        out += (at == most.begin() ? " (" : ", ") + at->first + " " + grouped(at->second);
    return out + (end == most.end() ? ")" : ", ...)");
}

void refusal_log::report(clock::time_point now, bool everything)
{
    std::vector<std::string> lines;
    {
        const std::lock_guard lock(guard_);
        std::erase_if(
            kinds_,
            [&](const auto& each)
            {
                const auto& [name, what] = each;
                if (!everything && now - what.since < how_.window)
                    return false;
                lines.push_back(sentence(name.first, name.second, what, now));
                return true;
            });
    }
    for (const auto& line : lines)
        say_(line);
}

void refusal_log::start(boost::asio::any_io_executor executor)
{
    timer_ = std::make_unique<boost::asio::steady_timer>(std::move(executor));
    tick();
}

void refusal_log::tick()
{
    timer_->expires_after(look_interval);
    timer_->async_wait(
        [this](const boost::system::error_code& cancelled)
        {
            if (cancelled || !timer_)
                return;
            report(clock::now());
            tick();
        });
}

void refusal_log::stop()
{
    timer_.reset();
    report(clock::now(), /*everything=*/true);
}

} // namespace consortium::relay
