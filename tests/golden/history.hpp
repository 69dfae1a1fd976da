#pragma once
#include "consortium/log/event_log.hpp"
#include <condition_variable>
#include <map>
#include <mutex>

/// A small history in which everything happens that can happen: what golden directories hold.
namespace consortium::golden
{

inline constexpr std::string_view master_secret = "the master secret of golden directories";

/// Lets a command's author wait for its outcome.
class waiting_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override;
    void on_pressure(bool) override {}
    void on_failure(const error& why) override;
    /// Throws if the command was refused.
    void wait_for(const log::command& wanted);

private:
    std::mutex guard_;
    std::condition_variable changed_;
    std::map<const log::command*, std::optional<error>> done_;
};

/// `halfway` runs in the middle of it, `before_last` before the last command.
void write_history(
    log::event_log& to, waiting_sink& sink, manual_clock& clock, const std::function<void()>& halfway,
    const std::function<void()>& before_last);

/// One more message, in a session that write_history() left: that a log still takes something.
void write_one_more(log::event_log& to, waiting_sink& sink);

} // namespace consortium::golden
