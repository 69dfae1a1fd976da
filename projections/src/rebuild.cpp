#include "consortium/projections/rebuild.hpp"
#include "consortium/projections/views.hpp"
#include "families.hpp"
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace consortium::projections
{
namespace
{

/// Events folded between two commits of the scratch views: bounds what they hold in memory.
constexpr std::size_t events_per_commit = 32'768;
constexpr std::size_t events_per_read = 512;
constexpr std::size_t reads_ahead_max = 8;

/// The events of a log in order, read and opened by another thread.
class event_source
{
public:
    explicit event_source(const log::snapshot& from) : from_(from), reader_([this] { read(); }) {}
    ~event_source()
    {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        reader_.join();
    }

    /// Empty: that was all. Errors of the log.
    result<std::vector<log::event>> next()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !ready_.empty(); });
        // What ends the events stays: it is the answer from then on.
        if (!ready_.front() || ready_.front()->empty())
            return ready_.front();
        auto out = std::move(ready_.front());
        ready_.pop_front();
        lock.unlock();
        changed_.notify_all();
        return out;
    }

private:
    void read()
    {
        for (lsn next{1};;)
        {
            auto events = from_.read(next, events_per_read);
            if (events && events->empty() && next <= from_.head())
                events = fail(errc::corrupt, "record " + std::to_string(next.value) + " is missing");
            const bool last = !events || events->empty();
            if (!last)
                next = events->back().number.next();
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return stopping_ || ready_.size() < reads_ahead_max; });
                if (stopping_)
                    return;
                ready_.push_back(std::move(events));
            }
            changed_.notify_all();
            if (last)
                return;
        }
    }

    const log::snapshot& from_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<result<std::vector<log::event>>> ready_;
    bool stopping_ = false;
    std::thread reader_;
};

result<std::uint64_t> fold_events(const log::snapshot& from, log::scratch_views& into)
{
    event_source source(from);
    std::uint64_t folded = 0;
    for (;;)
    {
        const auto events = source.next();
        if (!events)
            return std::unexpected(events.error());
        if (events->empty())
            break;
        for (const auto& happened : *events)
        {
            rules().fold(happened, into.rows());
            if (++folded % events_per_commit == 0)
                into.commit();
        }
    }
    into.finish();
    return folded;
}

/// Both at once: each row of a table is opened on the way.
table_comparison
compare_table(const log::view_reader& live, const log::view_reader& rebuilt, std::string_view name, log::table_id table)
{
    auto other = std::async(std::launch::async, [&] { return log::table_digest(rebuilt, table); });
    const auto mine = guarded([&]() -> result<digest256> { return log::table_digest(live, table); });
    return {
        .table = std::string(name),
        .live = mine.value_or(digest256{}),
        .rebuilt = other.get(),
        .damage = mine ? std::string() : mine.error().detail};
}

} // namespace

result<std::uint64_t> fold_log(const log::log_reader& source, log::scratch_views& into)
{
    return guarded([&] { return fold_events(*source.read(), into); });
}

result<rebuild_report> compare_rebuilt_views(const log::log_reader& source, const std::filesystem::path& scratch)
{
    return guarded(
        [&]() -> result<rebuild_report>
        {
            const auto live = source.read();
            auto rebuilt = log::open_scratch_views(scratch, source, rules());
            if (!rebuilt)
                return std::unexpected(rebuilt.error());
            const auto events = fold_events(*live, **rebuilt);
            if (!events)
                return std::unexpected(events.error());
            rebuild_report report{.events = *events, .tables = {}};
            const auto tables = rules().tables();
            const auto retired = rules().retired();
            for (log::table_id table = 0; table < tables.size(); ++table)
                if (std::ranges::find(retired, table) == retired.end())
                    report.tables.push_back(compare_table(*live, (*rebuilt)->rows(), tables[table], table));
            return report;
        });
}

} // namespace consortium::projections
