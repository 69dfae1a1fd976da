#include "verify.hpp"
#include "checkpoints.hpp"
#include "record_opener.hpp"
#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <pthread.h>
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

void check_record(record_opener& opener, byte_view value, fact& here, std::vector<finding>& findings)
{
    const auto record = parse_record(value);
    if (!record)
    {
        findings.push_back({.number = here.number, .what = fail_record(here.number, record.error()).error().detail});
        return;
    }
    here.leaf = record->leaf();
    const auto checked = opener.check(here.number, *record);
    if (!checked)
    {
        findings.push_back({.number = here.number, .what = checked.error().detail});
        return;
    }
    here.header = checked->header;
    here.destroyed_by = checked->destroyed_by;
}

/// Opens records `first` to `last`, each on its own.
chunk open_chunk(const pinned_store& at, reading& with, lsn first, lsn last)
{
    chunk out;
    out.facts.reserve(last.value - first.value + 1);
    auto options = at.options();
    options.readahead_size = readahead_bytes;
    options.fill_cache = false;
    record_opener opener(at, with);
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
            out.facts.push_back(here);
            continue;
        }
        const auto value = view(records->value());
        here.bytes = value.size();
        try
        {
            check_record(opener, value, here, out.findings);
        }
        catch (const log_failure& failure)
        {
            out.findings.push_back({.number = number, .what = failure.reason.detail});
        }
        out.facts.push_back(here);
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
        {
            workers_.emplace_back([this] { work(); });
            ::pthread_setname_np(workers_.back().native_handle(), "log-verify");
        }
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

/// The checks that look at records in order.
class ledger
{
public:
    explicit ledger(const opened_directory& opened)
        : store_(*opened.store), head_(opened.head), witness_(opened.witness), look_at_tile_(tile_check())
    {
        report_.witness = witness_.head;
        read_checkpoint(opened.with->verifier());
        if (witness_.head.value == 0)
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
        if (describe(header.type).destroys_key())
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
        else if (store_.tree_made())
            finish_tiles();
        if (witness_.head > head_.number())
            note({}, "the log does not reach its witness at lsn " + std::to_string(witness_.head.value));
        if (report_.checkpoint > head_.number().value)
            note({}, "the log does not reach its checkpoint over " + std::to_string(report_.checkpoint) + " records");
        return std::move(report_);
    }

private:
    void add_leaf(const fact& record)
    {
        tree_known_ = tree_known_ && record.leaf.has_value();
        if (!tree_known_)
            return;
        tiles_.append(tree_, *record.leaf, look_at_tile_);
        if (tree_.size() == witness_.head.value)
            check_witness();
        if (tree_.size() == report_.checkpoint && tree_.root() != signed_root_)
            note({report_.checkpoint}, "the tree up to here has another root than the log signed in its checkpoint");
    }
    void check_witness()
    {
        if (tree_.root() != witness_.root)
            note(witness_.head, "the tree up to here has another root than the witness says");
    }

    void read_checkpoint(const note::verifier& signer)
    {
        const auto stored = stored_checkpoint(store_);
        if (!stored)
            return note({}, stored.error().detail);
        if (!*stored)
            return;
        const auto said = open_checkpoint(**stored, signer);
        if (!said)
            return note({}, "the newest checkpoint: " + said.error().detail);
        report_.checkpoint = said->size;
        signed_root_ = said->root;
    }

    /// Holds a tile, made of the records, against its row.
    growing_tiles::sink tile_check()
    {
        if (!store_.tree_made())
            return [](unsigned, std::uint64_t, const hash_list&) {};
        return [this](unsigned level, std::uint64_t index, const hash_list& hashes)
        {
            ++report_.tiles;
            rocksdb::PinnableSlice row;
            const auto status = store_.db().Get({}, store_.tree(), slice(tile_key(level, index)), &row);
            const auto name = "tile " + std::to_string(level) + "/" + std::to_string(index);
            if (status.IsNotFound())
                note({}, name + " is missing");
            else if (!status.ok())
                note({}, name + " cannot be read: " + status.ToString());
            else if (text(view(row)) != text(tile_bytes(hashes)))
                note({}, name + " does not fit the records");
        };
    }
    void finish_tiles()
    {
        tiles_.write_grown(look_at_tile_);
        std::uint64_t rows = 0;
        const std::unique_ptr<rocksdb::Iterator> row(store_.db().NewIterator({}, store_.tree()));
        for (row->SeekToFirst(); row->Valid(); row->Next())
            ++rows;
        if (rows > report_.tiles)
            note({}, "the tree has " + std::to_string(rows - report_.tiles) + " tiles that no record accounts for");
    }

    const rocks_store& store_;
    const head_state& head_;
    const witness_state& witness_;
    log_reader::report report_;
    merkle::frontier tree_;
    growing_tiles tiles_;
    growing_tiles::sink look_at_tile_;
    digest256 signed_root_{};
    bool tree_known_ = true;
    unix_millis time_ = 0;
    std::unordered_map<account_id, std::uint64_t> revisions_;
    std::unordered_set<std::uint64_t> deletions_;
    std::map<std::uint64_t, lsn> shredders_; ///< deletion -> the first record it shredded
};

} // namespace

log_reader::report
verify_log(const std::shared_ptr<const pinned_store>& at, const opened_directory& opened, std::size_t threads)
{
    ledger checks(opened);
    chunk_source chunks(*at, *opened.with, threads);
    while (const auto part = chunks.next())
    {
        for (const auto& found : part->findings)
            checks.note(found.number, found.what);
        for (const auto& record : part->facts)
            checks.add(record);
    }
    return std::move(checks).finish();
}

} // namespace consortium::log
