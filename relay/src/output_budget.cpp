#include "output_budget.hpp"
#include <algorithm>

namespace consortium::relay
{
namespace
{

/// Of an answer: each connection has one at a time, and connections are bounded.
constexpr std::size_t counted_bytes_min = 4u << 10;

} // namespace

std::shared_ptr<net::output_meter> output_budget::of(account_id account)
{
    const std::lock_guard lock(guard_);
    auto& known = meters_[account];
    auto out = known.lock();
    if (out)
        return out;
    known = out = std::make_shared<net::output_meter>();
    if (meters_.size() >= sweep_at_)
    {
        std::erase_if(meters_, [](const auto& one) { return one.second.expired(); });
        sweep_at_ = 2 * std::max<std::size_t>(meters_.size(), 32);
    }
    return out;
}

std::size_t output_budget::waiting(account_id account) const
{
    const std::lock_guard lock(guard_);
    const auto known = meters_.find(account);
    const auto meter = known == meters_.end() ? nullptr : known->second.lock();
    return meter ? meter->waiting() : 0;
}

bool output_budget::full(account_id account) const
{
    return waiting(account) >= (account.is_nil() ? most_.strangers : most_.account);
}

std::size_t output_budget::socket_bytes_max(account_id account) const
{
    const auto left = waiting(account);
    if (left < most_.account)
        return limits::socket_untaken_bytes_max;
    return left < 2 * most_.account ? most_.socket : limits::socket_full_bytes_max;
}

std::optional<net::http_body> output_budget::count(account_id account, net::http_body body)
{
    auto* text = std::get_if<std::string>(&body);
    if (text == nullptr || text->size() < counted_bytes_min)
        return body;
    if (full(account))
        return std::nullopt;
    auto meter = of(account);
    const auto size = text->capacity();
    meter->add(size);
    return std::shared_ptr<const std::string>(
        new std::string(std::move(*text)),
        [meter = std::move(meter), size](const std::string* kept)
        {
            delete kept;
            meter->remove(size);
        });
}

} // namespace consortium::relay
