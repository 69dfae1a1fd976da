#include "consortium/common/places.hpp"
#include <utility>

namespace consortium
{
namespace
{

/// So many of the oldest strangers are looked at for one that can go.
constexpr std::size_t looked_at_max = 256;
/// So many that were sent away may still be there while others come in their places.
constexpr std::size_t leaving_max = 32;

template <class Strangers>
auto first_that_waits(const Strangers& strangers, auto is_busy)
{
    std::size_t looked_at = 0;
    for (auto* each : strangers)
    {
        if (!is_busy(*each))
            return each;
        if (++looked_at == looked_at_max)
            break;
    }
    return static_cast<typename Strangers::value_type>(nullptr);
}

} // namespace

place_table::place::place(place_table& of, std::string address, std::function<void()> leave)
    : table_(of), address_(std::move(address)), leave_(std::move(leave))
{
}

place_table::place::~place()
{
    const std::lock_guard lock(table_.guard_);
    table_.remove(*this);
    if (table_.all_ == 0)
        table_.changed_.notify_all();
}

void place_table::place::set_known()
{
    const std::lock_guard lock(table_.guard_);
    if (leaving_ || std::exchange(known_, true))
        return;
    table_.remove_stranger(*this);
}

void place_table::place::set_busy(bool busy)
{
    if (known_)
        return;
    const std::lock_guard lock(table_.guard_);
    busy_ = busy;
}

void place_table::place::on_leave(std::function<void()> leave)
{
    {
        const std::lock_guard lock(table_.guard_);
        leave_ = leave;
        if (!leaving_)
            return;
    }
    // It was asked before it could be told.
    leave();
}

place_table::crowd place_table::place::move_to(std::string address)
{
    std::function<void()> leave;
    crowd why = crowd::none;
    {
        const std::lock_guard lock(table_.guard_);
        if (leaving_ || address == address_)
            return crowd::none;
        table_.remove(*this);
        place* goes = nullptr;
        why = table_.judge(address, goes);
        const bool full = why != crowd::none && why != crowd::all && !goes;
        if (goes && why != crowd::all)
            leave = table_.send_away(*goes);
        if (!full)
            address_ = std::move(address);
        table_.add(*this);
        if (!full)
            why = crowd::none;
    }
    if (leave)
        leave();
    return why;
}

place_table::crowd place_table::judge(const std::string& of, place*& goes)
{
    const auto is_busy = [](const place& each) { return each.busy_; };
    if (!of.empty())
        if (const auto known = addresses_.find(of); known != addresses_.end())
        {
            const auto& [count, strangers] = known->second;
            const auto why = strangers.size() >= most_.strangers ? crowd::strangers
                             : count >= most_.each               ? crowd::address
                                                                 : crowd::none;
            if (why != crowd::none)
            {
                goes = first_that_waits(strangers, is_busy);
                return why;
            }
        }
    if (all_ - leaving_ < most_.all && strangers_.size() < most_.strangers_all)
        return crowd::none;
    goes = first_that_waits(strangers_, is_busy);
    return crowd::all;
}

place_table::entered place_table::enter(std::string address, std::function<void()> leave)
{
    entered out;
    std::function<void()> goodbye;
    {
        const std::lock_guard lock(guard_);
        place* goes = nullptr;
        out.why = judge(address, goes);
        if (out.why != crowd::none && (!goes || leaving_ >= leaving_max))
            return out;
        if (goes)
            goodbye = send_away(*goes);
        out.in = std::make_unique<place>(*this, std::move(address), std::move(leave));
        add(*out.in);
    }
    if (goodbye)
        goodbye();
    return out;
}

void place_table::add(place& one)
{
    ++all_;
    auto* of = one.address_.empty() ? nullptr : &addresses_[one.address_];
    if (of)
        ++of->count;
    if (one.known_)
        return;
    one.at_[0] = strangers_.insert(strangers_.end(), &one);
    if (of)
        one.at_[1] = of->strangers.insert(of->strangers.end(), &one);
}

void place_table::remove_stranger(place& one)
{
    strangers_.erase(one.at_[0]);
    if (!one.address_.empty())
        addresses_[one.address_].strangers.erase(one.at_[1]);
}

void place_table::remove(place& one)
{
    --all_;
    if (one.leaving_)
    {
        --leaving_;
        return;
    }
    if (!one.known_)
        remove_stranger(one);
    if (one.address_.empty())
        return;
    const auto known = addresses_.find(one.address_);
    if (--known->second.count == 0)
        addresses_.erase(known);
}

std::function<void()> place_table::send_away(place& one)
{
    remove(one);
    ++all_;
    ++leaving_;
    one.leaving_ = true;
    return one.leave_;
}

std::size_t place_table::count() const
{
    const std::lock_guard lock(guard_);
    return all_;
}

bool place_table::wait_for_none(std::chrono::milliseconds limit)
{
    std::unique_lock lock(guard_);
    return changed_.wait_for(lock, limit, [this] { return all_ == 0; });
}

} // namespace consortium
