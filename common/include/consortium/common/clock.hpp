#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace consortium
{

/// Milliseconds since the Unix epoch: the unit of every time in records and on the wire.
using unix_millis = std::int64_t;

/// Injected wall clock. Thread-safe.
class clock_source
{
public:
    virtual ~clock_source() = default;
    virtual unix_millis now() const = 0;
};

class system_clock_source final : public clock_source
{
public:
    unix_millis now() const override;
};

/// For tests: stands still until told.
class manual_clock final : public clock_source
{
public:
    explicit manual_clock(unix_millis start) : now_(start) {}
    unix_millis now() const override { return now_.load(); }
    void set(unix_millis to) { now_.store(to); }
    void advance(std::chrono::milliseconds by) { now_ += by.count(); }

private:
    std::atomic<unix_millis> now_;
};

/// "2026-11-23T05:27:04.616Z"
std::string iso_time(unix_millis time);

} // namespace consortium
