#include "view_healer.hpp"
#include "view_maker.hpp"
#include <algorithm>
#include <pthread.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t events_per_take = 1024;
constexpr std::size_t bytes_per_take = 8u << 20;
/// So few events are folded while nothing is written: it takes some milliseconds.
constexpr std::uint64_t events_at_the_end = 512;
constexpr auto progress_interval = 5s;
constexpr auto retry_delay = 10s;

/// The log is closing.
struct cut_off
{
};
/// Another table broke, and all that are broken are made together.
struct begin_anew
{
};

std::string names_of(const rocks_store& store, const std::vector<table_id>& tables)
{
    std::string out;
    const auto all = store.views();
    for (const auto table : tables)
        out.append(out.empty() ? "'" : ", '").append(all->at(table)->name()).append("'");
    return out;
}

} // namespace

view_healer::view_healer(parts all) : parts_(std::move(all)), failures_(parts_.names.view_failures())
{
    parts_.store->alarm().listen(
        [this](table_id, const error&)
        {
            {
                const std::lock_guard lock(mutex_);
                alarmed_ = true;
            }
            changed_.notify_all();
        });
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "log-views");
}

view_healer::~view_healer()
{
    stop();
}

void view_healer::stop()
{
    parts_.store->alarm().listen({});
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

result<std::size_t> view_healer::rebuild(std::optional<std::string_view> wanted)
{
    const auto before = parts_.store->views();
    const auto retired = parts_.rules.retired();
    std::vector<table_id> tables;
    for (const auto& family : *before)
        if (wanted ? family->name() == *wanted : std::ranges::find(retired, family->table()) == retired.end())
            tables.push_back(family->table());
    if (tables.empty())
        return fail(errc::not_found, "there is no view table '" + std::string(wanted.value_or("")) + "'");
    {
        const std::lock_guard lock(mutex_);
        asked_.insert(tables.begin(), tables.end());
        not_yet_.reset();
    }
    for (const auto table : tables)
        before->at(table)->mark_broken({errc::unavailable, "that was asked for", {}});

    std::unique_lock lock(mutex_);
    alarmed_ = true; // also about one that was broken already
    changed_.notify_all();
    const auto made = [&]
    {
        const auto now = parts_.store->views();
        return std::ranges::all_of(tables, [&](table_id table) { return now->at(table) != before->at(table); });
    };
    changed_.wait(lock, [&] { return stopping_ || not_yet_ || made(); });
    if (made())
        return tables.size();
    return not_yet_ ? std::unexpected(*not_yet_) : fail(errc::closed, "the log is closing");
}

void view_healer::run()
{
    std::unique_lock lock(mutex_);
    while (!stopping_)
    {
        if (!alarmed_)
        {
            changed_.wait(lock);
            continue;
        }
        alarmed_ = false;
        const auto asked = std::exchange(asked_, {});
        lock.unlock();
        const auto tables = choose(asked);
        const auto healed = tables.empty() ? result<void>() : heal(tables);
        lock.lock();
        if (!healed)
            not_yet_ = healed.error();
        changed_.notify_all();
        if (healed || stopping_)
            continue;
        spdlog::error(
            "view tables {} are not made anew yet: {}", names_of(*parts_.store, tables), healed.error().detail);
        changed_.wait_for(lock, retry_delay, [this] { return stopping_ || !asked_.empty(); });
        alarmed_ = true;
    }
}

/// Those that are broken and may be made once more.
std::vector<table_id> view_healer::choose(const std::set<table_id>& asked)
{
    std::vector<table_id> out;
    const auto all = parts_.store->views();
    for (const auto table : parts_.store->tables_to_make())
    {
        const auto& family = (*all)[table];
        if (asked.contains(table))
        {
            given_up_.erase(table);
            noted_[table] = family;
            spdlog::warn("view table '{}' is made anew: that was asked for", family->name());
        }
        if (given_up_[table] == family)
            continue;
        // One failure, however often making it anew is tried: the disk may be full for an hour.
        if (noted_[table] == family)
        {
            out.push_back(table);
            continue;
        }
        noted_[table] = family;
        const auto why = family->damage();
        if (why == errc::unavailable) // nothing failed: it is new, or the end of a process cut its making off
        {
            spdlog::warn("view table '{}' must be made: {}", family->name(), why.detail);
            out.push_back(table);
            continue;
        }
        spdlog::error("view table '{}' is damaged: {}", family->name(), why.detail);
        const auto allowed = failures_.add(family->name(), parts_.clock.now());
        if (!allowed)
            spdlog::warn("that it is damaged is not noted: {}", allowed.error().detail);
        if (allowed.value_or(true))
        {
            out.push_back(table);
            continue;
        }
        give_up(family);
    }
    return out;
}

void view_healer::give_up(const std::shared_ptr<view_family>& table)
{
    given_up_[table->table()] = table;
    spdlog::critical("{}", view_failures::refusal(table->name()));
    table->give_up(
        {errc::unavailable,
         "what this needs is damaged, and was again and again: the relay's operator must see to it",
         {}});
    if (const auto dropped = parts_.store->drop_view(table->table()); !dropped)
        spdlog::warn("view table '{}': {}", table->name(), dropped.error().detail);
}

/// What there is of them counts for nothing any more, so that RocksDB does not go on trying to write it out.
result<void> view_healer::note_and_drop(const std::vector<table_id>& tables)
{
    rocksdb::WriteBatch note;
    parts_.store->write_making(note, tables);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = parts_.store->db().Write(durable, &note); !status.ok())
        return std::unexpected(to_error(status, "cannot note which view tables are made anew"));
    for (const auto table : tables)
        if (auto dropped = parts_.store->drop_view(table); !dropped)
            return dropped;
    return {};
}

result<void> view_healer::heal(const std::vector<table_id>& tables)
try
{
    const bool low = parts_.disk.measure();
    if (parts_.disk.full())
        return std::unexpected(parts_.disk.refusal());
    if (auto dropped = note_and_drop(tables); !dropped)
        return dropped;
    // They are small beside the log, but all of them are made to have one.
    if (low)
        return std::unexpected(parts_.disk.refusal());
    make(tables);
    return {};
}
catch (const begin_anew&)
{
    return {};
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}
catch (const cut_off&)
{
    return fail(errc::closed, "the log is closing");
}
catch (const std::exception& bug)
{
    return fail(errc::internal, bug.what());
}

void view_healer::make(const std::vector<table_id>& tables)
{
    const auto started = steady_clock::now();
    auto said = started;
    spdlog::info(
        "making view tables {} anew from {} records: what needs them is refused until then",
        names_of(*parts_.store, tables), parts_.head().value);
    view_maker maker(
        {.store = *parts_.store,
         .with = *parts_.with,
         .rules = parts_.rules,
         .scratch = parts_.names.scratch(),
         .tables = tables});
    auto feed = parts_.follow();
    if (!feed)
        throw log_failure(feed.error());
    const auto fold_some = [&]
    {
        const auto events = (*feed)->take(events_per_take, bytes_per_take, 0ms);
        if (!events)
            throw log_failure(events.error());
        for (const auto& happened : *events)
        {
            if (stopping_)
                throw cut_off();
            if (alarmed_)
                throw begin_anew();
            maker.fold(*happened);
        }
    };
    const auto fold_until_near = [&](std::uint64_t distance)
    {
        while ((*feed)->position().value + distance < parts_.head().value)
        {
            fold_some();
            if (const auto now = steady_clock::now(); now - said > progress_interval)
            {
                said = now;
                spdlog::info(
                    "making view tables {} anew: {} of {} records", names_of(*parts_.store, tables),
                    (*feed)->position().value, parts_.head().value);
            }
        }
    };
    fold_until_near(0);
    maker.copy_rows();
    fold_until_near(events_at_the_end);

    std::exception_ptr failed;
    const bool done = parts_.between_batches(
        [&]
        {
            try
            {
                while ((*feed)->position() < parts_.head())
                    fold_some();
                maker.finish();
                rebuilds_ += tables.size();
            }
            catch (...)
            {
                failed = std::current_exception();
            }
        });
    if (failed)
        std::rethrow_exception(failed);
    if (!done)
        throw cut_off();
    spdlog::info(
        "view tables {} were made anew in {} ms", names_of(*parts_.store, tables),
        std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - started).count());
}

} // namespace consortium::log
