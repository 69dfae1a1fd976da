#pragma once
#include "consortium/common/error.hpp"
#include "consortium/log/event.hpp"
#include "metrics/gauges.hpp"
#include "refused.hpp"
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace consortium::relay
{

/// Counts what the relay does (docs/metrics.md). No function here takes a text: a label is the name of an enumerator,
/// so nothing that a client chose, no account, session, machine or address, can become one, and there are never more
/// series than at the start. Counting is one relaxed atomic; a duration is one prometheus::Histogram::Observe.
/// Thread-safe.
class metrics
{
public:
    using span = std::chrono::steady_clock::duration;

    metrics();
    ~metrics();

    void count_event(log::event_type type, std::size_t body_bytes) noexcept;
    void count_refusal(refused what, errc why) noexcept;
    /// From the submission of a command to its events being on disk.
    void append_took(span time);
    /// From there until one network thread has given them to all its clients.
    void fan_out_took(span time);
    void set_pressure(bool high) noexcept;

    /// Prometheus' text form.
    std::string text(const gauges& now) const;

private:
    using counter = std::atomic<std::uint64_t>;
    static constexpr std::size_t event_types_max = 64;
    static constexpr std::size_t reasons_max = static_cast<std::size_t>(errc::internal) + 1;

    struct histograms;

    std::array<counter, event_types_max> events_{};
    counter event_bytes_ = 0;
    std::array<std::array<counter, reasons_max>, refused_count> refusals_{};
    std::atomic<bool> pressure_ = false;
    const std::unique_ptr<histograms> times_;
};

} // namespace consortium::relay
