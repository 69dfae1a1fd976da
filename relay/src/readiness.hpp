#pragma once
#include "consortium/log/event_log.hpp"
#include <chrono>
#include <filesystem>
#include <mutex>

namespace consortium::relay
{

/// Whether what is written to the relay would be taken now. Thread-safe.
class readiness
{
public:
    /// `log` must outlive it; `directory` and `floor_bytes` as in log_options.
    readiness(log::event_log& log, std::filesystem::path directory, std::uint64_t floor_bytes);

    /// errc::unavailable: the disk is nearly full; errc::overloaded: the queue is; errc::closed: the log was closed or
    /// has failed; errc::io. Whoever asks how often, the log is asked ten times a second at most.
    result<void> check();

private:
    result<void> ask() const;

    log::event_log& log_;
    const std::filesystem::path directory_;
    const std::uint64_t floor_bytes_;
    std::mutex guard_;
    std::chrono::steady_clock::time_point asked_{};
    result<void> answer_;
};

} // namespace consortium::relay
