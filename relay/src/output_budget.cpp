#include "output_budget.hpp"
#include <mutex>
#include <unordered_map>

namespace consortium::relay
{
namespace
{

constexpr std::size_t counted_bytes_min = 16u << 10;

} // namespace

struct output_budget::table
{
    void add(account_id account, std::size_t bytes)
    {
        const std::lock_guard lock(guard);
        of[account] += bytes;
    }
    void remove(account_id account, std::size_t bytes)
    {
        const std::lock_guard lock(guard);
        const auto found = of.find(account);
        if ((found->second -= bytes) == 0)
            of.erase(found);
    }

    std::mutex guard;
    std::unordered_map<account_id, std::size_t> of;
};

output_budget::output_budget(std::size_t account_bytes_max)
    : bytes_max_(account_bytes_max), waiting_(std::make_shared<table>())
{
}

bool output_budget::full(account_id account) const
{
    const std::lock_guard lock(waiting_->guard);
    const auto found = waiting_->of.find(account);
    return found != waiting_->of.end() && found->second >= bytes_max_;
}

net::shared_frame output_budget::count(account_id account, net::shared_frame frame)
{
    const auto size = frame->bytes().size();
    if (size < counted_bytes_min)
        return frame;
    waiting_->add(account, size);
    const auto* shown = frame.get();
    return {
        shown, [counted = waiting_, account, size, kept = std::move(frame)](const net::text_frame*) mutable
        {
            kept.reset();
            counted->remove(account, size);
        }};
}

net::http_body output_budget::count(account_id account, net::http_body body)
{
    auto* text = std::get_if<std::string>(&body);
    if (text == nullptr || text->size() < counted_bytes_min)
        return body;
    const auto size = text->capacity();
    waiting_->add(account, size);
    return std::shared_ptr<const std::string>(
        new std::string(std::move(*text)),
        [counted = waiting_, account, size](const std::string* kept)
        {
            delete kept;
            counted->remove(account, size);
        });
}

} // namespace consortium::relay
