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

/// A moment of the clock that measures spans: it runs on in sleep, and begins anew with each boot.
struct boot_time
{
    std::string boot; ///< the boot's id; moments of two boots have no order here
    std::chrono::milliseconds at{0};

    friend bool operator==(const boot_time&, const boot_time&) = default;
};

/// Injected, like the wall clock, which anybody can set. Thread-safe.
class boot_clock
{
public:
    virtual ~boot_clock() = default;
    virtual boot_time now() const = 0;
};

/// CLOCK_BOOTTIME.
class system_boot_clock final : public boot_clock
{
public:
    boot_time now() const override;
};

/// For tests, of one thread.
class manual_boot_clock final : public boot_clock
{
public:
    boot_time now() const override { return now_; }
    void advance(std::chrono::milliseconds by) { now_.at += by; }
    void reboot() { now_ = {now_.boot + "'", std::chrono::milliseconds(0)}; }

private:
    boot_time now_{"boot", std::chrono::hours(1)};
};

/// "2026-11-23T05:27:04.616Z"
std::string iso_time(unix_millis time);

} // namespace consortium
