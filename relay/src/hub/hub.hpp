#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/net/http_server.hpp"
#include "hub/follower.hpp"
#include "hub/updates.hpp"
#include "metrics/metrics.hpp"
#include "rpc.hpp"
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

/// Brings what was committed to those who wait for it: to every client of the account in revision order, then to
/// whoever submitted it (docs/decisions/0002).
namespace consortium::relay
{
namespace asio = boost::asio;

using committed_events = std::vector<std::shared_ptr<const log::event>>;

/// A connected client as the hub sees it. Everything on its own thread.
class member : public outlet, public std::enable_shared_from_this<member>
{
public:
    member(connection_id id, account_id account, device_id device, follower place)
        : id_(id), account_(account), device_(device), place_(std::move(place))
    {
    }

    connection_id id() const noexcept { return id_; }
    account_id account() const noexcept { return account_; }
    device_id device() const noexcept { return device_; }
    follower& place() noexcept { return place_; }

    virtual bool is_open() const = 0;
    /// Its device was revoked: it is told so, and goes.
    virtual void revoked() = 0;
    /// The relay cannot go on with it now; it may dial again.
    virtual void fail(std::string_view reason) = 0;

private:
    friend class hub;

    const connection_id id_;
    const account_id account_;
    const device_id device_;
    follower place_;
    bool touched_ = false;
    bool reading_ = false;   ///< its catch-up is under way
    bool reads_much_ = true; ///< so that it is not read on the network thread
    std::chrono::milliseconds patience_{0};
    std::vector<std::move_only_function<void()>> when_live_;
};

class hub final : public log::commit_sink
{
public:
    struct hooks
    {
        /// Each committed event, on the thread of the log's commit_sink, before anybody hears of it. Must not block.
        std::function<void(const log::event&)> committed;
        /// On every network thread: stop or resume reading from this thread's sockets.
        std::function<void(bool high)> pressure;
        std::function<void(const error&)> failure;
        /// Runs what takes long on a thread that serves no client. Empty: there is none, and it is done in place.
        std::function<void(std::move_only_function<void()>)> elsewhere;
        /// Counts events, refused commands and how long things take. None: nobody wants to know. Must outlive the hub.
        metrics* counts = nullptr;
    };
    using completion = std::move_only_function<void(const log::outcome&)>;
    /// Called for each member of an account that is not behind: send what it shall have.
    using ephemeral = std::function<void(member&)>;

    /// Of what waits for one thread: events, and what send() passes on. Above it the clients of that thread read the
    /// log instead, and miss what is not stored.
    struct inbox_bounds
    {
        std::size_t bytes_max = 16u << 20;
        std::size_t count_max = 4096;
    };

    hub(net::http_server& server, follower::settings bounds, inbox_bounds inbox);
    hub(net::http_server& server, follower::settings bounds) : hub(server, bounds, inbox_bounds()) {}
    ~hub() override;

    /// Before the server is started and before anything is submitted. Both must outlive the server's threads.
    void attach(log::event_log& source, update_writer& writer, hooks calls);

    // From network threads.

    /// Queues a command; `done` is called on this thread, after its events reached this thread's clients. `origin`: the
    /// socket that is not told again of messages it sent. On an error nothing is called.
    result<void> submit(std::shared_ptr<log::command> wanted, connection_id origin, completion done);
    /// The same to be awaited by an HTTP handler.
    asio::awaitable<result<committed_events>> append(std::shared_ptr<log::command> wanted);

    /// The events of this account reach this thread from now on. Before the snapshot that a follower starts from.
    void watch(account_id account);
    /// Its follower stands at or behind that snapshot. Counts as the watch().
    void join(std::shared_ptr<member> who);
    void leave(const std::shared_ptr<member>& who);
    /// watch() without a join().
    void unwatch(account_id account);
    /// Reads on for a member that is behind.
    void read_on(const std::shared_ptr<member>& who);
    /// Runs `task` once the member has caught up (now, if it has) or left.
    void when_live(member& who, std::move_only_function<void()> task);

    /// To the account's members on all threads, after everything that was fanned out before; not to those who take
    /// nothing. `bytes`: what it holds.
    void send(account_id account, std::size_t bytes, ephemeral what);
    /// To one thread, in the same order. Always taken: callers have bounds of their own.
    void post(std::size_t thread, std::move_only_function<void()> task);
    /// Flush this one after the current batch (or now, outside of one).
    void touch(member& who);

    /// Members on all threads. Thread-safe.
    std::size_t member_count(account_id account) const;
    struct load
    {
        std::size_t commands = 0;    ///< submitted, and not ended yet
        std::size_t inbox_bytes = 0; ///< of what no network thread has taken up yet
    };
    /// Thread-safe.
    load load_now() const;

    // log::commit_sink
    void on_commit(std::span<const log::outcome> batch) override;
    void on_pressure(bool high) override;
    void on_failure(const error& why) override;

private:
    using moment = std::chrono::steady_clock::time_point;
    struct waiting
    {
        moment since{};
        std::size_t thread = 0;
        connection_id origin = 0;
        completion done;
    };
    struct published;
    struct batch_item;
    struct commit_batch;
    struct room
    {
        std::vector<std::shared_ptr<member>> members;
        std::uint64_t last_batch = 0;
    };
    using task = std::move_only_function<void()>;
    struct shard
    {
        std::unordered_map<account_id, room> rooms;
        std::vector<std::shared_ptr<member>> touched;
        std::vector<std::shared_ptr<member>> departed;
        std::vector<std::shared_ptr<member>> revoked;
        std::vector<moment> delivered; ///< when those batches were on disk whose events went out in this turn
        std::uint64_t batches = 0;
        bool delivering = false;
        // Under guard_:
        std::vector<task> inbox;
        std::size_t inbox_bytes = 0;
        std::unordered_set<account_id> missed; ///< their events found no room
        bool woken = false;
    };
    struct interest
    {
        std::uint64_t threads = 0; ///< one bit each
        std::vector<std::uint32_t> watchers;
        std::size_t members = 0;
    };

    std::size_t here() const;
    /// After those who wait were woken: what is counted is not on the way of an acknowledgement.
    void count(const commit_batch& batch);
    // Under guard_.
    bool has_room(std::size_t thread, std::size_t bytes) const;
    /// The threads to wake.
    std::uint64_t push(std::size_t thread, std::size_t bytes, task job);
    std::uint64_t push_batch(std::size_t thread, const std::shared_ptr<commit_batch>& batch);
    /// What of it a thread must hear in any case: the ends of its own commands, and whose tokens are void.
    std::shared_ptr<commit_batch> part_that_must(std::size_t thread, commit_batch& batch);

    void wake(std::uint64_t threads);
    void drain(std::size_t thread);
    void deliver(std::size_t thread, const std::shared_ptr<commit_batch>& batch);
    void deliver_event(shard& at, const published& event, connection_id origin);
    void send_back(shard& at, const std::unordered_set<account_id>& missed);
    void settle(shard& at);
    /// How much each client of a room may leave untaken.
    std::size_t share_of(const room& place, account_id account);
    void remove(shard& at, const std::shared_ptr<member>& who);
    void read_part(const std::shared_ptr<member>& who);
    void read_ahead(const std::shared_ptr<member>& who, std::size_t bytes_max);
    result<stream_part> read(lazy_snapshot& at, account_id account, revision sent, std::size_t bytes_max) const;
    void take(const std::shared_ptr<member>& who, const result<stream_part>& part, lazy_snapshot& at);
    static void run_waiting(member& who);
    void unwatch_locked(account_id account, std::size_t thread);

    net::http_server& server_;
    const follower::settings bounds_;
    const inbox_bounds inbox_;
    log::event_log* log_ = nullptr;
    update_writer* writer_ = nullptr;
    hooks hooks_;
    std::vector<std::unique_ptr<shard>> shards_;

    /// Over all inboxes at once: what a sender's thread posts after a batch comes after that batch everywhere.
    mutable std::mutex guard_;
    std::unordered_map<const log::command*, waiting> waiting_;
    std::unordered_map<account_id, interest> interests_;
};

} // namespace consortium::relay
