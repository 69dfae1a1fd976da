#pragma once
#include "disk_floor.hpp"
#include "layout.hpp"
#include "reader.hpp"
#include "view_failures.hpp"
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <thread>

namespace consortium::log
{

/// Makes view tables anew that turned out to be damaged, on a thread of its own, beside whatever else is done:
/// docs/architecture.md, "Views heal". Thread-safe.
class view_healer
{
public:
    struct parts
    {
        std::shared_ptr<rocks_store> store;
        std::shared_ptr<reading> with;
        const domain& rules;
        const clock_source& clock;
        disk_floor& disk;
        layout names;
        /// Everything that was ever committed.
        std::function<result<std::unique_ptr<event_feed>>()> follow;
        std::function<lsn()> head;
        /// Runs it while nothing is decided or written; it must not throw. False: never, the log is closing.
        std::function<bool(const std::function<void()>&)> between_batches;
    };

    explicit view_healer(parts all);
    ~view_healer();

    /// As event_log.
    result<std::size_t> rebuild(std::optional<std::string_view> table);
    std::uint64_t rebuilds() const noexcept { return rebuilds_; }

    /// Gives up what is under way; the next start does it. Idempotent.
    void stop();

private:
    void run();
    std::vector<table_id> choose(const std::set<table_id>& asked);
    void give_up(const std::shared_ptr<view_family>& table);
    result<void> note_and_drop(const std::vector<table_id>& tables);
    result<void> heal(const std::vector<table_id>& tables);
    void make(const std::vector<table_id>& tables);

    parts parts_;
    const view_failures failures_;
    std::map<table_id, std::shared_ptr<view_family>> noted_; ///< whose failure is counted
    std::map<table_id, std::shared_ptr<view_family>> given_up_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<bool> alarmed_ = true; ///< what was found before anybody listened
    std::set<table_id> asked_;         ///< to be made although nothing failed, or too much
    std::optional<error> not_yet_;     ///< why what was asked for is not made
    std::atomic<bool> stopping_ = false;
    std::atomic<std::uint64_t> rebuilds_ = 0;
    std::thread thread_;
};

} // namespace consortium::log
