#include "key_compactor.hpp"
#include <pthread.h>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// Column family `meta`, each an lsn u64be.
constexpr std::string_view destroyed_key = "destroyed";
constexpr std::string_view compacted_key = "compacted";

constexpr auto readers_wait_max = 30s;
constexpr auto retry_delay = 10s;

/// 0: never noted.
lsn read_mark(const rocks_store& store, std::string_view name)
{
    rocksdb::PinnableSlice value;
    const auto status = store.db().Get({}, store.meta(), slice(view(name)), &value);
    return {status.ok() && value.size() == 8 ? load_big_endian<std::uint64_t>(view(value)) : 0};
}

} // namespace

void write_destroyed(rocksdb::WriteBatch& batch, const rocks_store& store, lsn by)
{
    batch.Put(store.meta(), slice(view(destroyed_key)), slice(big_endian(by.value)));
}

key_compactor::key_compactor(std::shared_ptr<rocks_store> store, settings options)
    : store_(std::move(store)),
      options_(std::move(options)),
      destroyed_(read_mark(*store_, destroyed_key)),
      compacted_(read_mark(*store_, compacted_key)),
      due_(steady_clock::now() + options_.delay)
{
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "log-compact");
}

key_compactor::~key_compactor()
{
    stop();
}

void key_compactor::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    store_->readers().wake();
    if (thread_.joinable())
        thread_.join();
}

void key_compactor::destroyed(lsn by, std::uint64_t sequence)
{
    {
        const std::lock_guard lock(mutex_);
        // Further deletions do not put off the first.
        if (destroyed_ <= compacted_)
            due_ = steady_clock::now() + options_.delay;
        destroyed_ = by;
        sequence_ = sequence;
    }
    changed_.notify_all();
}

result<void> key_compactor::compact()
{
    return wipe();
}

void key_compactor::run()
{
    std::unique_lock lock(mutex_);
    while (!stopping_)
    {
        if (destroyed_ <= compacted_)
        {
            changed_.wait(lock);
            continue;
        }
        if (changed_.wait_until(lock, due_, [&] { return stopping_ || destroyed_ <= compacted_; }))
            continue;
        lock.unlock();
        const auto done = wipe();
        lock.lock();
        if (!done && !stopping_)
        {
            spdlog::warn("destroyed keys are not wiped out of the files yet: {}", done.error().detail);
            due_ = steady_clock::now() + retry_delay;
        }
    }
}

result<void> key_compactor::wipe()
{
    const auto deadline = steady_clock::now() + readers_wait_max;
    const std::unique_lock one_at_a_time(wiping_, deadline);
    if (!one_at_a_time)
        return fail(errc::unavailable, "destroyed keys are being wiped already", retry_delay);
    lsn up_to;
    std::uint64_t sequence = 0;
    {
        const std::lock_guard lock(mutex_);
        if (stopping_)
            return fail(errc::closed, "the log is closed");
        up_to = destroyed_;
        sequence = sequence_;
    }
    // Rewriting files takes space before it frees some.
    if (options_.disk.measure())
        return fail(errc::unavailable, "the disk is nearly full", retry_delay);
    if (!store_->readers().wait_until_past(sequence, deadline, stopping_))
    {
        if (stopping_)
            return fail(errc::closed, "the log is closed");
        return fail(errc::unavailable, "somebody still reads the log as it was before the deletion", retry_delay);
    }
    if (auto wiped = store_->compact_keys(stopping_); !wiped)
        return wiped;
    rocksdb::WriteOptions durable;
    durable.sync = true;
    const auto status =
        store_->db().Put(durable, store_->meta(), slice(view(compacted_key)), slice(big_endian(up_to.value)));
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot note that destroyed keys were wiped"));
    {
        const std::lock_guard lock(mutex_);
        compacted_ = std::max(compacted_, up_to);
        // What came meanwhile waits its own time.
        if (destroyed_ > compacted_)
            due_ = steady_clock::now() + options_.delay;
    }
    changed_.notify_all();
    options_.below.reached(crash_point::keys_wiped);
    return {};
}

} // namespace consortium::log
