#pragma once
#include "consortium/log/event_log.hpp"
#include <atomic>
#include <stdexcept>

namespace consortium::relay
{

/// A log that can be told that it cannot be read, or is full, for a while.
class unreadable_log final : public log::event_log
{
public:
    explicit unreadable_log(log::event_log& real) : real_(real) {}
    std::atomic<bool> broken = false;
    std::atomic<bool> full = false;

    std::unique_ptr<log::snapshot> read() const override
    {
        if (broken)
            throw std::runtime_error("the disk is gone");
        return real_.read();
    }
    result<void> submit(std::shared_ptr<log::command> wanted) override
    {
        if (full)
            return fail(errc::overloaded, "the log's queue is full", std::chrono::milliseconds(1));
        return real_.submit(std::move(wanted));
    }
    result<std::unique_ptr<log::event_feed>> follow(lsn after) override { return real_.follow(after); }
    log_id id() const override { return real_.id(); }
    const log::relay_keys& keys() const override { return real_.keys(); }
    log::counts opened() const override { return real_.opened(); }
    note::verifier checkpoint_key() const override { return real_.checkpoint_key(); }
    result<void> compact() override { return real_.compact(); }
    result<void> rekey(
        std::string_view old_secret, std::string_view new_secret,
        const std::optional<std::filesystem::path>& secret_file) override
    {
        return real_.rekey(old_secret, new_secret, secret_file);
    }
    void close() override { real_.close(); }

private:
    log::event_log& real_;
};

} // namespace consortium::relay
