#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace consortium::postgres
{

/// libpq waits for its server for ever. This ends the waiting: the socket is shut down when it takes too long, or at
/// once when everything stops. Thread-safe.
class watchdog
{
public:
    watchdog();
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    ~watchdog();

    /// While it lives, `socket` may be used for at most `limit`. One at a time.
    class watch
    {
    public:
        watch(watchdog& by, int socket, std::chrono::milliseconds limit);
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;
        ~watch();

    private:
        watchdog& by_;
    };

    /// Ends what is watched now, and whatever will be.
    void stop();
    /// Readable once it is stopped: for whoever polls.
    int stop_descriptor() const noexcept { return stop_descriptor_; }

private:
    void run();

    const int stop_descriptor_;
    std::mutex guard_;
    std::condition_variable changed_;
    std::optional<int> socket_;
    std::chrono::steady_clock::time_point deadline_;
    bool expired_ = false;
    bool stopped_ = false;
    bool ended_ = false;
    std::thread thread_;
};

} // namespace consortium::postgres
