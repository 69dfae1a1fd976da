#include "readiness.hpp"
#include "consortium/log/disk_room.hpp"

namespace consortium::relay
{
namespace
{

constexpr auto answer_lifetime = std::chrono::milliseconds(100);

/// Goes the way of what is written, as far as the log's queue, and writes nothing.
class question final : public log::command
{
public:
    account_id account() const override { return {}; }
    std::size_t size() const override { return sizeof(*this); }
    result<log::decision> decide(const log::view_reader&, unix_millis) override
    {
        return fail(errc::cancelled, "it was only asked whether something could be written");
    }
};

} // namespace

readiness::readiness(log::event_log& log, std::filesystem::path directory, std::uint64_t floor_bytes)
    : log_(log), directory_(std::move(directory)), floor_bytes_(floor_bytes)
{
}

result<void> readiness::check()
{
    const std::lock_guard lock(guard_);
    const auto now = std::chrono::steady_clock::now();
    if (asked_ == decltype(asked_)() || now - asked_ >= answer_lifetime)
    {
        answer_ = ask();
        asked_ = now;
    }
    return answer_;
}

result<void> readiness::ask() const
{
    std::error_code ec;
    const auto disk = std::filesystem::space(directory_, ec);
    if (ec)
        return fail(errc::io, "the system does not say how much room the relay's disk has");
    if (log::judge_room(disk.available, floor_bytes_) != log::disk_room::enough)
        return std::unexpected(log::no_room());
    return log_.submit(std::make_shared<question>());
}

} // namespace consortium::relay
