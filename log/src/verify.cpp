#include "verify.hpp"
#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace consortium::log
{
namespace
{

constexpr std::size_t findings_max = 1000;
constexpr std::uint64_t chunk_records = 1024;
constexpr std::size_t readahead_bytes = 2 << 20;

using finding = log_reader::finding;

/// What remains of a record once it was opened: enough for the checks that need the whole log.
struct fact
{
    lsn number;
    std::optional<digest256> leaf;
    std::optional<event_header> header;
    std::optional<lsn> destroyed_by; ///< shredded
    std::uint64_t bytes = 0;
};
struct chunk
{
    std::vector<fact> facts;
    std::vector<finding> findings;
};

/// Opens records `first` to `last`, each on its own.
chunk open_chunk(const pinned_store& at, reading& with, lsn first, lsn last)
{
    chunk out;
    out.facts.reserve(last.value - first.value + 1);
    auto options = at.options();
    options.readahead_size = readahead_bytes;
    options.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> records(at.store().db().NewIterator(options, at.store().log()));
    records->Seek(slice(record_key(first)));
    for (auto number = first; number <= last; number = number.next())
    {
        fact here{.number = number, .leaf = {}, .header = {}, .destroyed_by = {}, .bytes = 0};
        const auto key = record_key(number);
        if (!records->Valid() || text(view(records->key())) != text(key))
        {
            out.findings.push_back(
                {.number = number,
                 .what = records->status().ok() ? "is missing" : "cannot be read: " + records->status().ToString()});
            // A damaged block ends an iterator: look for what comes after it.
            if (!records->Valid() && number < last)
                records->Seek(slice(record_key(number.next())));
            out.facts.push_back(std::move(here));
            continue;
        }
        const auto value = view(records->value());
        here.bytes = value.size();
        if (const auto record = parse_record(value))
            here.leaf = record->leaf();
        try
        {
            auto opened = open_record(at, with, number, value, /*check_commitments=*/true);
            if (opened)
            {
                here.header = opened->happened.header;
                if (opened->happened.shredded())
                    here.destroyed_by = opened->destroyed_by;
            }
            else
                out.findings.push_back({.number = number, .what = opened.error().detail});
        }
        catch (const log_failure& failure)
        {
            out.findings.push_back({.number = number, .what = failure.reason.detail});
        }
        out.facts.push_back(std::move(here));
        records->Next();
    }
    return out;
}

/// Workers open chunks in any order; next() returns them in order. At most a few wait at a time.
class chunk_source
{
public:
    chunk_source(const pinned_store& at, reading& with, std::size_t threads)
        : at_(at), with_(with), count_((at.head().value + chunk_records - 1) / chunk_records), ahead_max_(threads * 4)
    {
        for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
            workers_.emplace_back([this] { work(); });
    }
    ~chunk_source()
    {
        {
            const std::lock_guard lock(mutex_);
            count_ = 0;
        }
        changed_.notify_all();
        for (auto& worker : workers_)
            worker.join();
    }

    std::optional<chunk> next()
    {
        std::unique_lock lock(mutex_);
        if (returned_ == count_)
            return std::nullopt;
        changed_.wait(lock, [&] { return ready_.contains(returned_); });
        auto out = std::move(ready_.extract(returned_).mapped());
        ++returned_;
        changed_.notify_all();
        return out;
    }

private:
    void work()
    {
        for (;;)
        {
            std::uint64_t mine = 0;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return taken_ >= count_ || taken_ < returned_ + ahead_max_; });
                if (taken_ >= count_)
                    return;
                mine = taken_++;
            }
            const lsn first{mine * chunk_records + 1};
            const lsn last{std::min(first.value + chunk_records - 1, at_.head().value)};
            auto opened = open_chunk(at_, with_, first, last);
            {
                const std::lock_guard lock(mutex_);
                ready_.emplace(mine, std::move(opened));
            }
            changed_.notify_all();
        }
    }

    const pinned_store& at_;
    reading& with_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t count_;
    std::uint64_t ahead_max_;
    std::uint64_t taken_ = 0;
    std::uint64_t returned_ = 0;
    std::map<std::uint64_t, chunk> ready_;
    std::vector<std::thread> workers_;
};

bool destroys_keys(event_type type) noexcept
{
    return type == event_type::session_deleted || type == event_type::machine_removed ||
           type == event_type::account_deleted;
}

/// The checks that look at records in order.
class ledger
{
public:
    ledger(const head_state& head, const witness_state& witness) : head_(head), witness_(witness)
    {
        report_.witness = witness.head;
        if (witness.head.value == 0)
            check_witness();
    }

    void add(const fact& record)
    {
        ++report_.records;
        report_.bytes += record.bytes;
        add_leaf(record);
        if (!record.header)
            return;
        const auto& header = *record.header;
        auto& last = revisions_[header.account];
        if (header.rev.value != last + 1)
            note(
                record.number, "has revision " + std::to_string(header.rev.value) + " where " +
                                   std::to_string(last + 1) + " comes next in its account");
        last = header.rev.value;
        if (header.time < time_)
            note(record.number, "is older than the record before it");
        time_ = header.time;
        if (destroys_keys(header.type))
            deletions_.insert(record.number.value);
        if (record.destroyed_by)
        {
            ++report_.shredded;
            shredders_.try_emplace(record.destroyed_by->value, record.number);
        }
    }
    void note(lsn number, std::string what)
    {
        if (report_.findings.size() < findings_max)
            report_.findings.push_back({.number = number, .what = std::move(what)});
    }

    log_reader::report finish() &&
    {
        for (const auto& [deletion, record] : shredders_)
            if (!deletions_.contains(deletion))
                note(record, "is shredded, but lsn " + std::to_string(deletion) + " deleted nothing");
        report_.root = tree_.root();
        if (!tree_known_)
            note({}, "the tree cannot be computed: records are missing or damaged");
        else if (tree_ != head_.tree)
            note({}, "the tree over the records differs from the one stored with the log's head");
        if (witness_.head > head_.number())
            note({}, "the log does not reach its witness at lsn " + std::to_string(witness_.head.value));
        return std::move(report_);
    }

private:
    void add_leaf(const fact& record)
    {
        tree_known_ = tree_known_ && record.leaf.has_value();
        if (!tree_known_)
            return;
        tree_.append(*record.leaf);
        if (tree_.size() == witness_.head.value)
            check_witness();
    }
    void check_witness()
    {
        if (tree_.root() != witness_.root)
            note(witness_.head, "the tree up to here has another root than the witness says");
    }

    const head_state& head_;
    const witness_state& witness_;
    log_reader::report report_;
    merkle::frontier tree_;
    bool tree_known_ = true;
    unix_millis time_ = 0;
    std::unordered_map<account_id, std::uint64_t> revisions_;
    std::unordered_set<std::uint64_t> deletions_;
    std::map<std::uint64_t, lsn> shredders_; ///< deletion -> the first record it shredded
};

} // namespace

log_reader::report verify_log(
    const std::shared_ptr<const pinned_store>& at, reading& with, const head_state& head, const witness_state& witness,
    std::size_t threads)
{
    ledger checks(head, witness);
    chunk_source chunks(*at, with, threads);
    while (const auto opened = chunks.next())
    {
        for (const auto& found : opened->findings)
            checks.note(found.number, found.what);
        for (const auto& record : opened->facts)
            checks.add(record);
    }
    return std::move(checks).finish();
}

} // namespace consortium::log
