#include "committer.hpp"
#include "checkpoints.hpp"
#include <algorithm>
#include <pthread.h>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;

/// Batches that are stored while another's witness is synced; then the next one waits.
constexpr std::size_t unconfirmed_max = 2;
/// For the next try at a checkpoint.
constexpr auto retry_disk_full = 100ms;

} // namespace

committer::committer(parts all, tree_head at)
    : parts_(std::move(all)),
      checkpoint_size_(parts_.checkpoint),
      checkpoint_due_(std::chrono::steady_clock::now() + parts_.checkpoint_interval),
      published_(std::make_shared<pinned_store>(parts_.store, std::move(at), parts_.with->keys->generation()))
{
    for (auto& thread : threads_)
    {
        thread = std::thread([this] { write_loop(); });
        ::pthread_setname_np(thread.native_handle(), "log-write");
    }
}

committer::~committer()
{
    stop();
}

std::shared_ptr<const pinned_store> committer::published() const
{
    const std::lock_guard lock(publish_mutex_);
    return published_;
}

void committer::publish_again()
{
    const auto before = published();
    auto now = std::make_shared<pinned_store>(parts_.store, before->edge(), before->key_generation());
    const std::lock_guard lock(publish_mutex_);
    published_ = std::move(now);
}

result<void> committer::hand_over(batch& ready)
{
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return handed_ == nullptr; });
    if (failed_)
        return std::unexpected(*failed_);
    handed_ = &ready;
    const auto before = taken_++;
    work_.notify_one();
    done_.wait(lock, [&] { return stored_ >= before; });
    return {};
}

bool committer::stored_all() const
{
    const std::lock_guard lock(mutex_);
    return stored_ == taken_;
}

bool committer::waiting() const
{
    const std::lock_guard lock(mutex_);
    return handed_ != nullptr;
}

bool committer::idle() const
{
    const std::lock_guard lock(mutex_);
    return handed_ == nullptr && !storing_;
}

void committer::drain()
{
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return handed_ == nullptr && !storing_ && unconfirmed_.empty() && !confirming_; });
}

void committer::fail(const error& why)
{
    {
        const std::lock_guard lock(mutex_);
        if (failed_)
            return;
        failed_ = why;
        has_failed_ = true;
    }
    spdlog::critical("the log failed: {}", why.detail);
    parts_.sink.on_failure(why);
}

std::optional<error> committer::failed() const
{
    if (!has_failed_) // asked for every command
        return std::nullopt;
    const std::lock_guard lock(mutex_);
    return failed_;
}

void committer::stop()
{
    if (!threads_[0].joinable())
        return;
    drain();
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    for (auto& thread : threads_)
        thread.join();
    if (std::unique_lock lock(mutex_); !failed_ && checkpoint_wanted())
        sign_next(lock);
    if (!failed())
        parts_.store->prepare_to_close();
}

void committer::write_loop()
{
    std::unique_lock lock(mutex_);
    for (;;)
    {
        const bool sign = !storing_ && !failed_ && checkpoint_wanted();
        if (sign && std::chrono::steady_clock::now() >= checkpoint_due_)
            sign_next(lock);
        else if (handed_ != nullptr && !storing_ && unconfirmed_.size() < unconfirmed_max)
            store_next(lock);
        else if (!unconfirmed_.empty() && !confirming_)
            confirm_next(lock);
        else if (stopping_)
            return;
        else if (sign)
            work_.wait_until(lock, checkpoint_due_);
        else
            work_.wait(lock);
    }
}

void committer::store_next(std::unique_lock<std::mutex>& lock)
{
    auto& ready = *std::exchange(handed_, nullptr);
    storing_ = true;
    lock.unlock();
    auto done = store(ready);
    lock.lock();
    storing_ = false;
    ++stored_;
    unconfirmed_.push_back(std::move(done));
    // One goes on with the next batch, one confirms this one.
    if (handed_ != nullptr)
        work_.notify_one();
    tell(lock);
}

void committer::confirm_next(std::unique_lock<std::mutex>& lock)
{
    auto done = std::exchange(unconfirmed_, {});
    confirming_ = true;
    lock.unlock();
    confirm(std::move(done));
    lock.lock();
    confirming_ = false;
    // Who stored meanwhile may have found no room.
    if (handed_ != nullptr || !unconfirmed_.empty())
        work_.notify_one();
    tell(lock);
}

/// To disk. What readers will see is pinned before the next batch can be written.
committer::written committer::store(batch& ready)
{
    written out{.outcomes = std::move(ready.outcomes), .state = nullptr, .destroyed_by = {}, .good = {}};
    if (const auto why = failed())
        out.good = std::unexpected(*why);
    if (!out.good || ready.records == 0)
        return out;
    parts_.below.reached(crash_point::before_write);
    rocksdb::WriteOptions options;
    options.sync = true;
    // Rows of a view table that is being made anew: the place that they were decided for is gone.
    options.ignore_missing_column_families = true;
    const auto status = parts_.store->db().Write(options, &ready.writes);
    if (!status.ok())
    {
        out.good = std::unexpected(to_error(status, "cannot write the log"));
        fail(out.good.error());
        return out;
    }
    parts_.below.reached(crash_point::after_wal_sync);
    if (!ready.destroyed.empty())
    {
        parts_.with->keys->forget(ready.destroyed);
        out.destroyed_by = ready.destroyed_by;
    }
    out.state = std::make_shared<pinned_store>(parts_.store, ready.after, parts_.with->keys->generation());
    return out;
}

/// To the witness, then to readers, then to those who sent the commands. One sync serves all of them.
void committer::confirm(std::vector<written> done)
{
    std::shared_ptr<const pinned_store> newest;
    const written* destroyed = nullptr; // the last that destroyed keys
    for (const auto& one : done)
        if (one.good && one.state)
        {
            newest = one.state;
            if (one.destroyed_by.value != 0)
                destroyed = &one;
        }
    if (newest && !unwitnessed_)
    {
        if (const auto advanced = parts_.witness.advance(newest->head(), newest->root()); !advanced)
        {
            unwitnessed_ = advanced.error();
            fail(advanced.error());
        }
        else
        {
            parts_.below.reached(crash_point::after_witness_sync);
            // Not the store's number now: a checkpoint may follow, and nobody's state is that new before the next
            // commit.
            if (destroyed != nullptr)
                parts_.destroyed(destroyed->destroyed_by, destroyed->state->sequence());
            const std::lock_guard lock(publish_mutex_);
            published_ = std::move(newest);
        }
    }
    for (auto& one : done)
    {
        // Whatever came to no records was decided on rows of batches before.
        if (one.good && unwitnessed_)
            one.good = std::unexpected(*unwitnessed_);
        if (!one.good)
            for (auto& out : one.outcomes)
                out.committed = std::unexpected(one.good.error());
        parts_.sink.on_commit(one.outcomes);
    }
    // Whoever waits for a command comes first.
    for (const auto& one : done)
        parts_.recent.add(one.outcomes);
}

bool committer::checkpoint_wanted() const
{
    return published()->head().value != checkpoint_size_;
}

/// Takes the place of a batch in the store: there is one writer at a time.
void committer::sign_next(std::unique_lock<std::mutex>& lock)
{
    storing_ = true;
    lock.unlock();
    const auto newest = published();
    parts_.disk.measure();
    const bool room = !parts_.disk.full();
    const auto stored = room ? store_checkpoint(*parts_.store, sign_head(*newest, *parts_.with)) : result<void>();
    if (!stored)
        fail(stored.error());
    else if (room)
        parts_.below.reached(crash_point::checkpoint_stored);
    lock.lock();
    storing_ = false;
    checkpoint_due_ = std::chrono::steady_clock::now() + parts_.checkpoint_interval;
    if (!room)
        checkpoint_due_ += retry_disk_full;
    else if (stored)
        checkpoint_size_ = newest->head().value;
    tell(lock);
}

/// Whoever waits for what just happened.
void committer::tell(std::unique_lock<std::mutex>& lock)
{
    done_.notify_all();
    lock.unlock();
    parts_.progressed();
    lock.lock();
}

} // namespace consortium::log
