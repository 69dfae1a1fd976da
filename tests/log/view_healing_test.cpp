#include "consortium/log/event_log.hpp"
#include "layered_rows.hpp"
#include "log/fault_file_system.hpp"
#include "log/log_fixture.hpp"
#include "rocks_store.hpp"
#include "view_failures.hpp"
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <unistd.h>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;

constexpr auto long_enough = 60s;

/// Rebuilding can be held up: what folds into anything but the sequencer's rows waits.
class gated_domain final : public domain
{
public:
    std::span<const std::string_view> tables() const override { return real_.tables(); }
    revision last_revision(const view_reader& rows, account_id account) const override
    {
        return real_.last_revision(rows, account);
    }
    void fold(const event& happened, view_writer& rows) const override
    {
        if (dynamic_cast<layered_rows*>(&rows) == nullptr)
        {
            std::unique_lock lock(mutex_);
            ++waiting_;
            changed_.notify_all();
            changed_.wait(lock, [&] { return open_; });
            --waiting_;
        }
        real_.fold(happened, rows);
    }

    void shut()
    {
        const std::lock_guard lock(mutex_);
        open_ = false;
    }
    void let_go()
    {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait_until_held()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return waiting_ > 0; });
    }

private:
    small_domain real_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    mutable int waiting_ = 0;
    bool open_ = true;
};

class view_healing_test : public log_fixture
{
protected:
    view_healing_test()
    {
        below.opened = [this](rocks_store& opened) { store = &opened; };
    }
    ~view_healing_test() override { gated.let_go(); }

    void open_gated()
    {
        sink = std::make_unique<test_sink>();
        log = open_log_over(options, gated, *sink, clock, below).value();
    }

    /// The version of the session's cell.
    result<std::uint64_t> cell(session_id session)
    try
    {
        const auto at = log->read();
        const auto row = at->get(table_cells, small_domain::cell_key(*at, ann, session.as<stream_id>()));
        return row ? result<std::uint64_t>(number_in(*row)) : fail(errc::not_found, "no such session");
    }
    catch (const log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }
    result<std::size_t> count_rows(table_id table)
    try
    {
        std::size_t count = 0;
        log->read()->scan(table, {}, {}, [&](byte_view, byte_view) { return ++count, true; });
        return count;
    }
    catch (const log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }
    template <class Ask>
    auto until_served(Ask ask)
    {
        const auto end = std::chrono::steady_clock::now() + long_enough;
        for (;;)
        {
            auto answer = ask();
            if (answer || answer.error() != errc::unavailable || std::chrono::steady_clock::now() > end)
                return answer;
            EXPECT_TRUE(answer.error().retry.has_value()) << answer.error().detail;
            std::this_thread::sleep_for(5ms);
        }
    }
    /// Another value than the one that was written lies in every row.
    void spoil(table_id table)
    {
        std::vector<std::pair<std::string, std::string>> rows;
        {
            const std::unique_ptr<rocksdb::Iterator> all(store->db().NewIterator({}, store->view(table)));
            for (all->SeekToFirst(); all->Valid(); all->Next())
                rows.emplace_back(all->key().ToString(), all->value().ToString());
        }
        ASSERT_FALSE(rows.empty());
        for (auto& [key, value] : rows)
        {
            value.back() = static_cast<char>(value.back() ^ 1);
            ASSERT_TRUE(store->db().Put({}, store->view(table), key, value).ok());
        }
        // What readers have pinned is from before.
        ASSERT_TRUE(run(create_account(account_of(next_account++))));
    }
    /// The files of a view table, once everything in it was written to some. No compaction replaces them until the log
    /// is opened again.
    std::vector<fs::path> files_of(table_id table)
    {
        EXPECT_TRUE(store->db().SetOptions(store->view(table), {{"disable_auto_compactions", "true"}}).ok());
        EXPECT_TRUE(store->db().Flush({}, store->view(table)).ok());
        EXPECT_TRUE(store->db().PauseBackgroundWork().ok()); // waits for what had begun
        EXPECT_TRUE(store->db().ContinueBackgroundWork().ok());
        std::vector<rocksdb::LiveFileMetaData> all;
        store->db().GetLiveFilesMetaData(&all);
        std::vector<fs::path> out;
        for (const auto& file : all)
            if (file.column_family_name == store->view(table)->GetName())
                out.push_back(file.db_path + file.name);
        EXPECT_FALSE(out.empty());
        return out;
    }
    static void flip(const fs::path& file, std::uintmax_t at)
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(static_cast<std::streamoff>(at));
        const auto before = static_cast<char>(bytes.get());
        bytes.seekp(static_cast<std::streamoff>(at));
        bytes.put(static_cast<char>(before ^ 0x10));
    }
    /// Closed, what is on disk says in every table what the log says, and nothing is left of making it.
    void expect_views_equal_a_replay()
    {
        log.reset();
        const auto source = open_log_reader(options, rules).value();
        const auto at = source->read();
        const auto scratch = open_scratch_views(place.path() / "replayed", *source, rules).value();
        for (const auto& happened : at->read(lsn{1}, 1'000'000).value())
            rules.fold(happened, scratch->rows());
        scratch->finish();
        for (table_id table = 0; table < rules.tables().size(); ++table)
            EXPECT_EQ(table_digest(*at, table), table_digest(scratch->rows(), table)) << rules.tables()[table];
        EXPECT_FALSE(fs::exists(options.directory / "views.new"));
        EXPECT_TRUE(source->verify(1).value().findings.empty());
    }

    gated_domain gated;
    rocks_store* store = nullptr;
    std::uint8_t next_account = 100;
    std::set<fs::path> below_level_0; ///< files that lie below level 0
    const session_id other = session_of(2);
};

TEST_F(view_healing_test, a_row_that_does_not_open_is_refused_and_made_anew)
{
    open();
    make_session();
    fill_up_to(20, 3);
    const auto before = cell(talk).value();
    spoil(table_cells);
    const auto refused = cell(talk);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_TRUE(refused.error().retry.has_value());
    EXPECT_EQ(until_served([&] { return cell(talk); }).value(), before);
    EXPECT_TRUE(run(say(ann, talk, {"goes on"})));
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, a_command_that_needs_it_is_refused_and_can_be_sent_again)
{
    open();
    make_session();
    reopen(); // nothing is at hand
    spoil(table_cells);
    const auto refused = run(say(ann, talk, {"first try"}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_TRUE(refused.error().retry.has_value());
    EXPECT_TRUE(until_served([&] { return run(say(ann, talk, {"second try"})); }));
    EXPECT_EQ(log->read()->head().value, 4u);
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

// Goal: rows that are read only once the records are sealed do not end the log, nor leave half of a batch.
TEST_F(view_healing_test, a_batch_that_cannot_be_folded_never_happened)
{
    open();
    make_session();
    const auto bob = account_of(7);
    ASSERT_TRUE(run(create_account(bob)));
    reopen();
    spoil(table_accounts); // of which decide() reads nothing
    std::vector<std::future<result<test_command::events>>> outcomes;
    for (std::uint8_t i = 10; i < 30; ++i)
        outcomes.push_back(start(create_session(i % 2 == 0 ? ann : bob, session_of(i))));
    std::size_t refused = 0;
    for (std::size_t i = 0; i < outcomes.size(); ++i)
        if (const auto done = outcomes[i].get(); !done)
        {
            ++refused;
            EXPECT_EQ(done.error(), errc::unavailable);
            const auto number = static_cast<std::uint8_t>(10 + i);
            EXPECT_TRUE(
                until_served([&] { return run(create_session(number % 2 == 0 ? ann : bob, session_of(number))); }));
        }
    EXPECT_GT(refused, 0u);
    EXPECT_EQ(log->read()->head().value, 4u + 20u);
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, all_else_is_served_meanwhile)
{
    open_gated();
    make_session();
    fill_up_to(50, 7);
    ASSERT_TRUE(run(create_session(ann, other)));
    spoil(table_messages);
    gated.shut();
    EXPECT_EQ(count_rows(table_messages).error(), errc::unavailable);
    gated.wait_until_held();
    // Neither of these reads a row of the table, and what they write to it is not lost.
    EXPECT_TRUE(cell(talk));
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(run(say(ann, i % 2 == 0 ? talk : other, {"meanwhile", "and more"})));
    EXPECT_EQ(count_rows(table_messages).error(), errc::unavailable);
    gated.let_go();
    EXPECT_EQ(until_served([&] { return count_rows(table_messages); }).value(), 48u + 10u);
    EXPECT_TRUE(run(say(ann, other, {"afterwards"})));
    EXPECT_EQ(count_rows(table_messages).value(), 48u + 11u);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, closing_cuts_it_off_and_the_next_start_makes_it)
{
    open_gated();
    make_session();
    fill_up_to(50, 7);
    spoil(table_cells);
    gated.shut();
    EXPECT_FALSE(cell(talk));
    gated.wait_until_held();
    {
        std::jthread closing([&] { log->close(); });
        std::this_thread::sleep_for(10ms);
        gated.let_go();
    }
    log.reset();
    open();
    EXPECT_TRUE(until_served([&] { return cell(talk); }));
    // That it was cut off is no failure of the table: the one is that it was spoilt.
    std::ifstream noted(options.directory / "view-failures");
    EXPECT_EQ(std::count(std::istreambuf_iterator<char>(noted), {}, '\n'), 1);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, a_flipped_byte_in_a_file_heals)
{
    open();
    make_session();
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    const auto file = files_of(table_cells).front();
    log.reset();
    flip(file, 20); // in a row
    open();
    const auto found = until_served([&] { return cell(talk); });
    EXPECT_EQ(found.value(), 3u);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, a_file_that_cannot_be_opened_or_is_gone_heals_at_the_start)
{
    const std::vector<std::pair<std::string, std::function<void(const fs::path&)>>> damages{
        {"its end flipped", [](const fs::path& file) { flip(file, fs::file_size(file) - 3); }},
        {"cut", [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
        {"empty", [](const fs::path& file) { fs::resize_file(file, 0); }},
        {"gone", [](const fs::path& file) { fs::remove(file); }},
    };
    open();
    make_session();
    for (const auto& [what, damage] : damages)
    {
        SCOPED_TRACE(what);
        ASSERT_TRUE(run(say(ann, talk, {"one more"})));
        const auto before = cell(talk).value();
        const auto file = files_of(table_cells).front();
        log.reset();
        damage(file);
        {
            // A tool sees the log and is refused the table.
            const auto tool = open_log_reader(options, rules);
            ASSERT_TRUE(tool) << tool.error().detail;
            EXPECT_TRUE((*tool)->verify(1).value().findings.empty());
            EXPECT_FALSE((*tool)->verify_files().value().findings.empty());
            EXPECT_THROW(table_digest(*(*tool)->read(), table_cells), log_failure);
        }
        open();
        EXPECT_EQ(until_served([&] { return cell(talk); }).value(), before);
        clock.advance(25h);
    }
    expect_views_equal_a_replay();
}

// Goal: rows are not missing unsaid where RocksDB loses the error: in the first block of a file that a scan comes to
// from the file before (rocks_store::read_file_starts()).
TEST_F(view_healing_test, a_scan_that_comes_to_a_damaged_file_leaves_no_rows_out)
{
    open();
    make_session();
    const auto one_file_below = [&]
    {
        for (const auto& file : files_of(table_messages))
            if (!below_level_0.contains(file))
                ASSERT_TRUE(
                    store->db().CompactFiles({}, store->view(table_messages), {file.filename().string()}, 1).ok());
        for (const auto& file : files_of(table_messages))
            below_level_0.insert(file);
    };
    ASSERT_TRUE(run(say(ann, talk, {"a", "b"})));
    one_file_below();
    const auto first = below_level_0;
    ASSERT_TRUE(run(create_session(ann, other)));
    ASSERT_TRUE(run(say(ann, other, {"c", "d"})));
    one_file_below();
    std::vector<fs::path> second;
    std::ranges::set_difference(below_level_0, first, std::back_inserter(second));
    ASSERT_EQ(second.size(), 1u);
    log.reset();
    flip(second.front(), 20);
    open();
    EXPECT_EQ(until_served([&] { return count_rows(table_messages); }).value(), 4u);
    expect_views_equal_a_replay();
}

// Goal: the same where both files have the row: the first its newest version, the second begins with an older one. So
// RocksDB leaves what it moves out of level 0 without rewriting it.
TEST_F(view_healing_test, a_scan_that_comes_to_a_damaged_file_within_a_row_leaves_no_rows_out)
{
    open();
    ASSERT_TRUE(store->db().SetOptions(store->view(table_cells), {{"disable_auto_compactions", "true"}}).ok());
    make_session();
    ASSERT_TRUE(run(create_session(ann, other)));
    const auto older = files_of(table_cells);
    ASSERT_EQ(older.size(), 1u);
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    files_of(table_cells);
    ASSERT_TRUE(store->db().CompactRange({}, store->view(table_cells), nullptr, nullptr).ok());
    std::vector<rocksdb::LiveFileMetaData> files;
    store->db().GetLiveFilesMetaData(&files);
    std::erase_if(files, [](const auto& file) { return file.column_family_name != "view.cells" || file.level == 0; });
    ASSERT_EQ(files.size(), 2u);
    ASSERT_EQ(files[0].largestkey, files[1].smallestkey);
    log.reset();
    flip(older.front(), 20);
    open();
    EXPECT_EQ(until_served([&] { return count_rows(table_cells); }).value(), 2u);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, a_compaction_that_meets_damage_does_not_end_the_log)
{
    open();
    make_session();
    const auto file = files_of(table_cells).front();
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    files_of(table_cells);
    log.reset();
    flip(file, 20);
    open();
    // Whether it fails is open: one that began by itself may have met the damage, and the table be made anew already.
    rocksdb::CompactRangeOptions all_of_it;
    all_of_it.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    store->db().CompactRange(all_of_it, store->view(table_cells), nullptr, nullptr).PermitUncheckedError();
    const auto end = std::chrono::steady_clock::now() + long_enough;
    while (log->view_rebuilds() == 0 && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(log->view_rebuilds(), 1u);
    EXPECT_EQ(until_served([&] { return cell(talk); }).value(), 3u);
    EXPECT_TRUE(until_served([&] { return run(write_cell(ann, talk, revision{3}, "y")); }));
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

/// Writes the session's cell whatever is in it: what becomes of that turns out when it is folded.
std::shared_ptr<test_command> write_blindly(account_id account, session_id session)
{
    return std::make_shared<test_command>(
        account, 64,
        [=](const view_reader&, unix_millis) -> result<decision>
        {
            return decision{
                .account = account,
                .drafts = {draft{
                    .type = event_type::session_metadata_changed,
                    .stream = session.as<stream_id>(),
                    .seq = 0,
                    .key = session.as<key_id>(),
                    .creates_key = false,
                    .destroys = {},
                    .body = session_metadata_changed{.metadata = "x"}}}};
        });
}

// Goal: while a table is broken only what needs it is refused, and all else is written as always, many commands to a
// batch. Method: the disk is held up until all wait, so that they are one batch but for what is refused.
TEST_F(view_healing_test, what_cannot_be_folded_takes_no_other_with_it)
{
    std::mutex mutex;
    std::condition_variable changed;
    bool held = false;
    bool writes = false;
    below.reached = [&](crash_point point)
    {
        if (point != crash_point::before_write)
            return;
        std::unique_lock lock(mutex);
        writes = true;
        changed.notify_all();
        changed.wait(lock, [&] { return !held; });
    };
    open_gated();
    make_session();
    spoil(table_cells);
    gated.shut();
    EXPECT_EQ(cell(talk).error(), errc::unavailable);
    gated.wait_until_held();
    {
        const std::lock_guard lock(mutex);
        held = true;
        writes = false;
    }
    auto first = start(create_account(account_of(40)));
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return writes; });
    }
    std::vector<std::future<result<test_command::events>>> fit;
    std::vector<std::future<result<test_command::events>>> unfit;
    std::uint8_t next = 60;
    const auto some_that_fit = [&](int count)
    {
        for (int i = 0; i < count; ++i)
            fit.push_back(start(create_session(ann, session_of(next++))));
    };
    unfit.push_back(start(write_blindly(ann, talk)));
    some_that_fit(20);
    unfit.push_back(start(write_blindly(ann, talk)));
    unfit.push_back(start(write_blindly(ann, talk)));
    some_that_fit(1);
    unfit.push_back(start(write_blindly(ann, talk)));
    some_that_fit(20);
    const auto before = sink->batch_sizes().size();
    {
        const std::lock_guard lock(mutex);
        held = false;
        changed.notify_all();
    }
    EXPECT_TRUE(first.get());
    for (auto& one : fit)
        EXPECT_TRUE(one.get());
    for (auto& one : unfit)
        EXPECT_EQ(one.get().error(), errc::unavailable);
    // What waits for the disk, and one batch for each run of those that fit.
    EXPECT_LE(sink->batch_sizes().size(), before + 5);
    gated.let_go();
    EXPECT_TRUE(until_served([&] { return run(write_blindly(ann, talk)); }));
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, one_that_is_not_damaged_is_made_anew_when_that_is_asked_for)
{
    open();
    make_session();
    fill_up_to(20, 3);
    // It opens, and is wrong: rows of it are missing.
    const auto wrong = store->views()->at(table_messages);
    ASSERT_TRUE(store->db().DeleteRange({}, wrong->handle(), "", "\xff").ok());
    ASSERT_TRUE(run(create_account(account_of(50))));
    EXPECT_EQ(count_rows(table_messages).value(), 0u);
    EXPECT_EQ(log->rebuild_views("messages").value(), 1u);
    EXPECT_EQ(count_rows(table_messages).value(), 18u);
    EXPECT_EQ(log->view_rebuilds(), 1u);
    const auto unknown = log->rebuild_views("nonsense");
    EXPECT_EQ(unknown.error(), errc::not_found);
    EXPECT_NE(unknown.error().detail.find("nonsense"), std::string::npos);
    EXPECT_EQ(log->rebuild_views(std::nullopt).value(), 3u);
    EXPECT_EQ(log->view_rebuilds(), 4u);
    EXPECT_FALSE(fs::exists(options.directory / "view-failures")) << "nothing failed";
    EXPECT_TRUE(run(say(ann, talk, {"goes on"})));
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, one_that_was_given_up_is_made_anew_when_that_is_asked_for)
{
    open();
    make_session();
    for (int failure = 1; failure <= 3; ++failure)
    {
        spoil(table_cells);
        EXPECT_FALSE(cell(talk));
        if (failure < 3)
            EXPECT_TRUE(until_served([&] { return cell(talk); }));
    }
    EXPECT_EQ(log->rebuild_views("cells").value(), 1u);
    EXPECT_TRUE(cell(talk));
    EXPECT_TRUE(run(say(ann, talk, {"goes on"})));
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, says_why_what_was_asked_for_is_not_made_yet)
{
    std::atomic<std::uint64_t> space = std::uint64_t{1} << 40;
    below.free_bytes = [&](const fs::path&) { return space.load(); };
    options.disk_free_floor_bytes = 1000;
    open();
    make_session();
    space = 0;
    EXPECT_EQ(log->rebuild_views("cells").error(), errc::unavailable);
    space = std::uint64_t{1} << 40;
    EXPECT_EQ(log->rebuild_views("cells").value(), 1u) << "it does not wait for the next try";
    EXPECT_EQ(cell(talk).value(), 2u);
    expect_views_equal_a_replay();
}

/// A disk that fails, when told. Nothing is written out or compacted but what a test asks for.
class view_disk_test : public view_healing_test, public ::testing::WithParamInterface<disk_operation>
{
protected:
    view_disk_test()
    {
        below.env = disk.env.get();
        below.opened = [this](rocks_store& opened)
        {
            store = &opened;
            std::vector<rocksdb::ColumnFamilyHandle*> all{store->log(), store->keys(), store->meta(), store->tree()};
            for (table_id table = 0; table < rules.tables().size(); ++table)
                if (store->view(table) != nullptr)
                    all.push_back(store->view(table));
            for (auto* family : all)
                ASSERT_TRUE(store->db().SetOptions(family, {{"disable_auto_compactions", "true"}}).ok());
            ASSERT_TRUE(store->db().PauseBackgroundWork().ok()); // waits for what had begun
            ASSERT_TRUE(store->db().ContinueBackgroundWork().ok());
        };
    }
    ~view_disk_test() override { log.reset(); }

    void fail_table_files(disk_operation operation, rocksdb::IOStatus with)
    {
        disk.files->before = [this, operation, with](const std::string& file, disk_operation now)
        {
            const bool fails = failing && now == operation && file.ends_with(".sst");
            if (fails)
                ++failures;
            return fails ? with : rocksdb::IOStatus::OK();
        };
    }
    void expect_made_anew(table_id table, const std::shared_ptr<view_family>& before)
    {
        const auto end = std::chrono::steady_clock::now() + long_enough;
        while (store->views()->at(table) == before && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(1ms);
        EXPECT_NE(store->views()->at(table), before);
        EXPECT_TRUE(sink->failures().empty());
    }

    fault_disk disk;
    std::atomic<bool> failing = false;
    std::atomic<int> failures = 0;
};

// Goal: a view table whose rows cannot be written out is made anew, and no write of anybody else ends or waits for it.
TEST_P(view_disk_test, a_flush_that_fails_breaks_its_table_alone)
{
    fail_table_files(GetParam(), rocksdb::IOStatus::IOError("Input/output error"));
    open();
    make_session();
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    const auto before = store->views()->at(table_cells);
    failing = true;
    // Its end is that of the table: it was dropped.
    EXPECT_TRUE(store->db().Flush({}, before->handle()).IsColumnFamilyDropped());
    EXPECT_GT(failures, 0);
    failing = false;
    EXPECT_TRUE(before->broken());
    EXPECT_EQ(before->damage(), errc::io) << before->damage().detail;
    EXPECT_TRUE(run(create_account(account_of(50)))) << "what does not need it is written";
    expect_made_anew(table_cells, before);
    EXPECT_EQ(until_served([&] { return cell(talk); }).value(), 3u);
    EXPECT_TRUE(run(write_cell(ann, talk, revision{3}, "y")));
    std::ifstream noted(options.directory / "view-failures");
    EXPECT_EQ(std::count(std::istreambuf_iterator<char>(noted), {}, '\n'), 1);
    expect_views_equal_a_replay();
}

TEST_P(view_disk_test, a_compaction_that_cannot_write_breaks_its_table_alone)
{
    fail_table_files(GetParam(), rocksdb::IOStatus::IOError("Input/output error"));
    open();
    make_session();
    files_of(table_cells);
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    files_of(table_cells);
    const auto before = store->views()->at(table_cells);
    failing = true;
    rocksdb::CompactRangeOptions all_of_it;
    all_of_it.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    EXPECT_FALSE(store->db().CompactRange(all_of_it, before->handle(), nullptr, nullptr).ok());
    EXPECT_GT(failures, 0);
    failing = false;
    EXPECT_EQ(before->damage(), errc::io) << before->damage().detail;
    EXPECT_TRUE(run(create_account(account_of(50))));
    expect_made_anew(table_cells, before);
    EXPECT_EQ(until_served([&] { return cell(talk); }).value(), 3u);
    expect_views_equal_a_replay();
}

INSTANTIATE_TEST_SUITE_P(
    disks, view_disk_test, ::testing::Values(disk_operation::create, disk_operation::append, disk_operation::sync),
    [](const auto& info)
    {
        return std::string(
            info.param == disk_operation::create   ? "create"
            : info.param == disk_operation::append ? "append"
                                                   : "sync");
    });

TEST_F(view_disk_test, a_compaction_that_cannot_read_breaks_its_table_alone)
{
    open();
    make_session();
    const auto unreadable = files_of(table_cells).front().string();
    ASSERT_TRUE(run(write_cell(ann, talk, revision{2}, "x")));
    files_of(table_cells);
    reopen(); // nothing of it is in memory
    disk.files->before_read = [&](const std::string& file)
    {
        return failing && file == unreadable ? rocksdb::IOStatus::IOError("Input/output error")
                                             : rocksdb::IOStatus::OK();
    };
    const auto before = store->views()->at(table_cells);
    failing = true;
    rocksdb::CompactRangeOptions all_of_it;
    all_of_it.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    EXPECT_FALSE(store->db().CompactRange(all_of_it, before->handle(), nullptr, nullptr).ok());
    EXPECT_EQ(before->damage(), errc::io) << before->damage().detail;
    expect_made_anew(table_cells, before);
    EXPECT_EQ(until_served([&] { return cell(talk); }).value(), 3u);
    expect_views_equal_a_replay();
}

// Goal: a table that stays broken is not written out again and again, nor does it hold up the writes of others.
TEST_F(view_disk_test, one_that_is_given_up_is_dropped)
{
    fail_table_files(disk_operation::append, rocksdb::IOStatus::IOError("Input/output error"));
    open();
    make_session();
    for (int failure = 1; failure <= 3; ++failure)
    {
        ASSERT_TRUE(run(write_cell(ann, talk, revision{cell(talk).value()}, "x")));
        const auto before = store->views()->at(table_cells);
        failing = true;
        EXPECT_TRUE(store->db().Flush({}, before->handle()).IsColumnFamilyDropped());
        failing = false;
        if (failure < 3)
            expect_made_anew(table_cells, before);
    }
    const auto refused = run(say(ann, talk, {"x"}));
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_FALSE(refused.error().retry.has_value());
    EXPECT_TRUE(run(create_account(account_of(50))));
    EXPECT_TRUE(log->compact()) << "deleted keys can be wiped all the same";

    // The next start does not make it anew by itself either.
    reopen();
    const auto end = std::chrono::steady_clock::now() + long_enough;
    auto again = cell(talk);
    for (; !again && again.error().retry && std::chrono::steady_clock::now() < end; again = cell(talk))
        std::this_thread::sleep_for(5ms);
    EXPECT_EQ(again.error(), errc::unavailable);
    EXPECT_FALSE(again.error().retry.has_value());
    log.reset();
    fs::remove(options.directory / "view-failures");
    open();
    EXPECT_TRUE(until_served([&] { return cell(talk); }));
    expect_views_equal_a_replay();
}

// Goal: that the disk is full is nobody's damage: it ends the log, whose records are what counts, and nothing is lost.
TEST_F(view_disk_test, a_flush_that_finds_no_room_ends_the_log)
{
    fail_table_files(disk_operation::append, rocksdb::IOStatus::NoSpace("No space left on device"));
    open();
    make_session();
    const auto before = store->views()->at(table_cells);
    failing = true;
    EXPECT_TRUE(store->db().Flush({}, before->handle()).IsNoSpace());
    failing = false;
    EXPECT_FALSE(before->broken());
    EXPECT_EQ(run(create_account(account_of(50))).error(), errc::io);
    EXPECT_EQ(sink->failures().size(), 1u);
    reopen();
    EXPECT_EQ(cell(talk).value(), 2u);
    expect_views_equal_a_replay();
}

// Goal: what fails for all, the directory that all files are in, is not taken for a view's.
TEST_F(view_disk_test, a_directory_that_cannot_be_synced_ends_the_log)
{
    disk.files->before = [this](const std::string&, disk_operation now)
    {
        return failing && now == disk_operation::sync_directory ? rocksdb::IOStatus::IOError("Input/output error")
                                                                : rocksdb::IOStatus::OK();
    };
    open();
    make_session();
    const auto before = store->views()->at(table_cells);
    failing = true;
    EXPECT_TRUE(store->db().Flush({}, before->handle()).IsIOError());
    failing = false;
    EXPECT_FALSE(before->broken());
    EXPECT_EQ(run(create_account(account_of(50))).error(), errc::io);
    EXPECT_EQ(sink->failures().size(), 1u);
}

// Goal: closing does not wait for a table that cannot be written out.
TEST_F(view_disk_test, closing_on_such_a_disk_comes_to_an_end)
{
    fail_table_files(disk_operation::append, rocksdb::IOStatus::IOError("Input/output error"));
    open();
    make_session();
    const std::string large(64 << 10, 'x');
    for (int i = 0; i < 200; ++i) // more than is read back quickly
        ASSERT_TRUE(run(say(ann, talk, {large})));
    failing = true;
    log->close();
    EXPECT_GT(failures, 0);
    log.reset();
    failing = false;
    open();
    EXPECT_EQ(count_rows(table_messages).value(), 200u);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, the_third_failure_within_a_day_stays)
{
    open();
    make_session();
    for (int failure = 1; failure < 3; ++failure)
    {
        spoil(table_cells);
        EXPECT_FALSE(cell(talk));
        EXPECT_TRUE(until_served([&] { return cell(talk); }));
        clock.advance(11h);
    }
    spoil(table_cells);
    EXPECT_FALSE(cell(talk));
    const auto end = std::chrono::steady_clock::now() + long_enough;
    auto refused = cell(talk);
    for (; refused.error().retry && std::chrono::steady_clock::now() < end; refused = cell(talk))
        std::this_thread::sleep_for(5ms);
    EXPECT_EQ(refused.error(), errc::unavailable);
    EXPECT_FALSE(refused.error().retry.has_value());
    EXPECT_EQ(run(say(ann, talk, {"x"})).error(), errc::unavailable);
    EXPECT_TRUE(run(create_account(account_of(50)))) << "what does not need it is served";

    // Somebody has seen to the disk.
    log.reset();
    fs::remove(options.directory / "view-failures");
    open();
    EXPECT_TRUE(until_served([&] { return cell(talk); }));
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, a_table_that_cannot_be_made_for_want_of_room_has_failed_once)
{
    std::atomic<std::uint64_t> space = 0;
    std::atomic<int> tries = 0;
    below.free_bytes = [&](const fs::path&)
    {
        ++tries;
        return space.load();
    };
    options.disk_free_floor_bytes = 1000;
    space = std::uint64_t{1} << 40;
    open();
    make_session();
    spoil(table_cells);
    space = 0;
    const auto before = tries.load();
    EXPECT_EQ(cell(talk).error(), errc::unavailable);
    const auto end = std::chrono::steady_clock::now() + long_enough;
    while (tries < before + 2 && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(5ms);
    EXPECT_GE(tries, before + 2);
    space = std::uint64_t{1} << 40;
    EXPECT_TRUE(until_served([&] { return cell(talk); }));
    std::ifstream noted(options.directory / "view-failures");
    EXPECT_EQ(std::count(std::istreambuf_iterator<char>(noted), {}, '\n'), 1);
    expect_views_equal_a_replay();
}

// Goal: a table is not made from what was published when the log fails: the store may hold more than that.
TEST_F(view_healing_test, nothing_is_made_anew_from_a_log_that_has_failed)
{
    std::atomic<bool> witness_fails = false;
    below.fdatasync = [&](int file)
    {
        if (!witness_fails)
            return ::fdatasync(file);
        errno = EIO;
        return -1;
    };
    open_gated();
    make_session();
    fill_up_to(20, 3);
    spoil(table_messages);
    gated.shut();
    EXPECT_EQ(count_rows(table_messages).error(), errc::unavailable);
    gated.wait_until_held();
    witness_fails = true;
    EXPECT_EQ(run(say(ann, talk, {"in the store, and not acknowledged"})).error(), errc::io);
    gated.let_go();
    log.reset();
    witness_fails = false;
    open();
    EXPECT_EQ(until_served([&] { return count_rows(table_messages); }).value(), 19u);
    expect_views_equal_a_replay();
}

TEST_F(view_healing_test, failures_of_one_table_within_a_day_are_counted)
{
    const auto file = place.path() / "failures";
    const view_failures failures(file);
    const unix_millis day = 24 * 3600 * 1000;
    EXPECT_TRUE(failures.add("a", 10).value());
    EXPECT_TRUE(failures.add("b", 11).value());
    EXPECT_TRUE(failures.add("a", 12).value());
    EXPECT_FALSE(failures.add("a", 13).value());
    EXPECT_TRUE(view_failures(file).add("b", 14).value());
    EXPECT_TRUE(failures.add("a", 10 + day).value()) << "the first one is a day old";
    EXPECT_FALSE(failures.add("a", 11 + day).value());
    EXPECT_TRUE(failures.add("a", 5).value()) << "the clock was set back";

    std::ofstream(file) << "\n\nnonsense\n99999999999999999999999 a\n13a\n13 \n-5 a\n" << std::string(100, '\xff');
    EXPECT_TRUE(failures.add("a", 20).value());
}

// Goal: whichever table breaks, whenever, while others write, no event is lost or folded twice.
// Method: random commands while tables are spoilt at random moments; at the end the views equal a replay.
TEST_F(view_healing_test, random_damage_beside_random_commands)
{
    const auto seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    open();
    make_session();
    ASSERT_TRUE(run(create_session(ann, other)));
    fill_up_to(100 + random() % 200, 5);
    std::atomic<bool> done = false;
    std::vector<std::jthread> writers;
    for (int i = 0; i < 2; ++i)
        writers.emplace_back(
            [&, own = std::mt19937(random())]() mutable
            {
                while (!done)
                {
                    const auto session = own() % 2 == 0 ? talk : other;
                    const auto said = run(say(ann, session, std::vector<std::string>(1 + own() % 4, "x")));
                    EXPECT_TRUE(said || said.error() == errc::unavailable) << said.error().detail;
                }
            });
    for (int round = 0; round < 6; ++round)
    {
        const auto table = static_cast<table_id>(random() % 3);
        clock.advance(25h);
        const auto broken = store->views()->at(table);
        broken->mark_broken({errc::corrupt, "the test says so", {}});
        const auto end = std::chrono::steady_clock::now() + long_enough;
        while (store->views()->at(table) == broken && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(1ms);
        EXPECT_NE(store->views()->at(table), broken);
    }
    done = true;
    writers.clear();
    EXPECT_TRUE(sink->failures().empty());
    expect_views_equal_a_replay();
}

} // namespace
} // namespace consortium::log
