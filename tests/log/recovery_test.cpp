#include "log/recovery_fixture.hpp"
#include <random>

namespace consortium::log
{
namespace
{

using namespace testing;

// The crash points of the format, between the steps of one batch. (At each of them a real process is killed too:
// crash_test.)
TEST_F(recovery_test, a_process_that_ended_before_the_write_left_what_was_acknowledged)
{
    open(crashed(crash_point::before_write));
    expect_head(acknowledged);
    EXPECT_EQ(log_->opened().kept_records, 0u);
    EXPECT_EQ(log_->opened().repaired_bytes, 0u);
}

TEST_F(recovery_test, records_above_the_witness_are_kept_and_reported)
{
    open(crashed(crash_point::after_wal_sync));
    expect_head(acknowledged + 2);
    EXPECT_EQ(log_->opened().kept_records, 2u);
}

TEST_F(recovery_test, a_torn_witness_slot_leaves_the_other_one)
{
    const auto image = crashed(crash_point::inside_witness);
    open(image);
    expect_head(acknowledged + 2);
    EXPECT_EQ(log_->opened().kept_records, 2u);
}

TEST_F(recovery_test, a_process_that_ended_before_the_answer_left_everything)
{
    open(crashed(crash_point::after_witness_sync));
    expect_head(acknowledged + 2);
    EXPECT_EQ(log_->opened().kept_records, 0u);
}

// Goal: an unacknowledged batch that was written in part is dropped as a whole, at whatever byte it was torn, and the
// log goes on.
TEST_F(recovery_test, a_torn_tail_above_the_witness_is_dropped_and_reported)
{
    const auto image = crashed(crash_point::after_wal_sync);
    const auto torn = place_.path() / "torn";
    for (std::uint64_t bytes = 1; bytes < 1000; bytes += 97)
    {
        fs::remove_all(torn);
        fs::copy(image, torn, fs::copy_options::recursive);
        cut(wals(torn).back(), bytes);
        open(torn);
        expect_head(acknowledged);
        EXPECT_GT(log_->opened().repaired_bytes, 0u);
        auto more = say(ann_, talk_, {"goes on"});
        auto outcome = more->outcome();
        ASSERT_TRUE(log_->submit(more));
        EXPECT_EQ(outcome.get().value().at(0)->number.value, acknowledged + 1);
        open(torn);
        expect_head(acknowledged + 1);
        EXPECT_EQ(log_->opened().repaired_bytes, 0u);
        log_.reset();
    }
}

TEST_F(recovery_test, zeros_after_the_end_of_the_wal_are_no_damage)
{
    const auto image = crashed(crash_point::before_write);
    fs::resize_file(wals(image).back(), fs::file_size(wals(image).back()) + 4096);
    open(image);
    EXPECT_EQ(log_->opened().repaired_bytes, 0u);
    expect_head(acknowledged);
}

// The damages of the format's table: each is refused, names what is missing, and leaves the directory as it was.
TEST_F(recovery_test, a_wal_cut_below_the_witness_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    cut(wals(image).back(), 100);
    expect_refused(image, errc::log_truncated, "lsn 52 were acknowledged and are missing");
}

TEST_F(recovery_test, a_flipped_bit_in_the_last_record_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    flip(wals(image).back(), fs::file_size(wals(image).back()) - 50);
    expect_refused(image, errc::log_truncated, "lsn 52 were acknowledged and are missing");
}

TEST_F(recovery_test, a_flipped_bit_in_the_middle_of_the_newest_wal_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    flip(wals(image).back(), fs::file_size(wals(image).back()) / 2);
    expect_refused(image, errc::log_truncated, "to 52 were acknowledged and are missing: the log ends at lsn 2");
}

TEST_F(recovery_test, a_deleted_newest_wal_is_refused)
{
    const auto image = crashed(
        crash_point::before_write, [](rocks_store& store) { ASSERT_TRUE(store.db().Flush({}, store.log()).ok()); });
    ASSERT_GE(wals(image).size(), 2u);
    fs::remove(wals(image).back());
    expect_refused(image, errc::log_truncated, "lsn 27 to 52 were acknowledged and are missing");
}

TEST_F(recovery_test, a_deleted_only_wal_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    for (const auto& wal : wals(image))
        fs::remove(wal);
    const auto opened = try_open(image);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().detail.find("52"), std::string::npos) << opened.error().detail;
}

TEST_F(recovery_test, a_deleted_older_wal_is_refused)
{
    const auto image = crashed(
        crash_point::before_write, [](rocks_store& store) { ASSERT_TRUE(store.db().Flush({}, store.log()).ok()); });
    ASSERT_GE(wals(image).size(), 2u);
    fs::remove(wals(image).front());
    expect_refused(image, errc::corrupt, "up to lsn 52 were acknowledged");
}

TEST_F(recovery_test, a_flipped_bit_in_an_older_wal_is_refused)
{
    const auto image = crashed(
        crash_point::before_write, [](rocks_store& store) { ASSERT_TRUE(store.db().Flush({}, store.log()).ok()); });
    flip(wals(image).front(), fs::file_size(wals(image).front()) / 2);
    expect_refused(image, errc::corrupt, "up to lsn 52 were acknowledged");
}

TEST_F(recovery_test, a_missing_view_table_is_made_from_the_log)
{
    const auto image = crashed(crash_point::before_write);
    {
        auto store = rocks_store::open(image / "db", store_access::read_write, rules_.tables(), nullptr).value();
        ASSERT_TRUE(store->db().DropColumnFamily(store->view(table_cells)).ok());
    }
    test_sink sink;
    const auto log = open_log(options_for(image), rules_, sink, clock_);
    ASSERT_TRUE(log) << log.error().detail;
    await_views(**log, rules_);
    const auto at = (*log)->read();
    const auto cell = at->get(table_cells, small_domain::cell_key(*at, ann_, talk_.as<stream_id>()));
    ASSERT_TRUE(cell);
    EXPECT_EQ(number_in(*cell, 1), acknowledged - 2) << "all but the account's and the session's own records";
}

TEST_F(recovery_test, an_unknown_column_family_is_of_a_newer_version)
{
    const auto image = crashed(crash_point::before_write);
    {
        auto store = rocks_store::open(image / "db", store_access::read_write, rules_.tables(), nullptr).value();
        rocksdb::ColumnFamilyHandle* made = nullptr;
        ASSERT_TRUE(store->db().CreateColumnFamily({}, "view.of.the.future", &made).ok());
        store->db().DestroyColumnFamilyHandle(made);
    }
    expect_refused(image, errc::newer_version, "view.of.the.future");
}

TEST_F(recovery_test, a_deleted_table_file_is_refused)
{
    const auto image = crashed(
        crash_point::before_write, [](rocks_store& store) { ASSERT_TRUE(store.db().Flush({}, store.log()).ok()); });
    for (const auto& entry : fs::directory_iterator(image / "db"))
        if (entry.path().extension() == ".sst")
            fs::remove(entry.path());
    expect_refused(image, errc::corrupt, "up to lsn 52 were acknowledged");
}

TEST_F(recovery_test, a_missing_database_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    fs::rename(image / "db" / "CURRENT", place_.path() / "current");
    expect_refused(image, errc::corrupt, "up to lsn 52 were acknowledged");
    fs::remove_all(image / "db");
    expect_refused(image, errc::corrupt, "up to lsn 52 were acknowledged");
}

// Goal: whatever happens to whichever file of the database, the log is refused and left alone, or it serves every
// acknowledged record as it was, or says of a record that it is damaged. It never serves less or something else.
TEST_F(recovery_test, random_damage_is_never_served_as_sound)
{
    const auto seed = std::random_device{}();
    std::cout << "seed " << seed << "\n";
    std::mt19937 random(seed);
    const auto below_of = [&](std::uint64_t count)
    { return std::uniform_int_distribution<std::uint64_t>(0, count - 1)(random); };
    const auto image = crashed(
        crash_point::before_write,
        [](rocks_store& store)
        {
            ASSERT_TRUE(store.db().Flush({}, store.log()).ok());
            ASSERT_TRUE(store.db().Flush({}, store.keys()).ok());
        });
    std::vector<event> expected;
    {
        const auto copy = place_.path() / "sound";
        fs::copy(image, copy, fs::copy_options::recursive);
        open(copy);
        expected = log_->read()->read(lsn{1}, 1000).value();
        ASSERT_EQ(expected.size(), acknowledged);
        log_.reset();
    }
    const auto damaged = place_.path() / "damaged";
    int refused = 0;
    constexpr int rounds = 60;
    for (int round = 0; round < rounds; ++round)
    {
        fs::remove_all(damaged);
        fs::copy(image, damaged, fs::copy_options::recursive);
        std::vector<fs::path> files;
        for (const auto& entry : fs::directory_iterator(damaged / "db"))
            files.push_back(entry.path());
        std::ranges::sort(files);
        const auto& file = files[below_of(files.size())];
        const auto size = fs::file_size(file);
        std::string what = file.filename().string();
        switch (size == 0 ? 0 : below_of(3))
        {
        case 0:
            fs::remove(file);
            what += " removed";
            break;
        case 1:
            fs::resize_file(file, below_of(size));
            what += " cut to " + std::to_string(fs::file_size(file));
            break;
        default:
        {
            const auto at = below_of(size);
            flip(file, at);
            what += " altered at " + std::to_string(at);
        }
        }
        SCOPED_TRACE(what);
        const auto before = contents(damaged);
        auto opened = try_open(damaged);
        if (!opened)
        {
            ++refused;
            EXPECT_EQ(contents(damaged), before) << opened.error().detail;
            continue;
        }
        const auto at = (*opened)->read();
        EXPECT_EQ(at->head().value, acknowledged);
        for (const auto& happened : expected)
        {
            const auto read = at->read(happened.number);
            if (read)
                EXPECT_EQ(*read, happened);
            else
                EXPECT_EQ(read.error(), errc::corrupt) << read.error().detail;
        }
    }
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, rounds);
}

TEST_F(recovery_test, a_missing_or_unreadable_witness_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    fs::rename(image / "witness", place_.path() / "elsewhere");
    expect_refused(image, errc::corrupt, "witness does not exist");
    fs::rename(place_.path() / "elsewhere", image / "witness");
    flip_slot(image, 0);
    flip_slot(image, 1);
    expect_refused(image, errc::corrupt, "neither of its two slots is intact");
}

TEST_F(recovery_test, either_slot_of_the_witness_may_be_torn)
{
    const auto image = crashed(crash_point::before_write);
    const auto copy = place_.path() / "copy";
    for (const std::uint64_t slot : {0u, 1u})
    {
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
        flip_slot(copy, slot);
        open(copy);
        expect_head(acknowledged);
        log_.reset();
    }
}

TEST_F(recovery_test, another_logs_witness_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    {
        test_sink sink;
        ASSERT_TRUE(open_log(options_for(place_.path() / "other"), rules_, sink, clock_));
    }
    fs::copy_file(place_.path() / "other" / "witness", image / "witness", fs::copy_options::overwrite_existing);
    expect_refused(image, errc::corrupt, "the witness to log");
}

// Goal: an attacker or an accident that puts an older copy of the database in place is found.
TEST_F(recovery_test, an_older_copy_of_the_database_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    const auto older = place_.path() / "older";
    fs::copy(image / "db", older, fs::copy_options::recursive);
    open(image);
    auto more = say(ann_, talk_, {"later"});
    auto outcome = more->outcome();
    ASSERT_TRUE(log_->submit(more));
    ASSERT_TRUE(outcome.get());
    log_.reset();
    fs::remove_all(image / "db");
    fs::rename(older, image / "db");
    expect_refused(image, errc::log_truncated, "lsn 53 were acknowledged and are missing: the log ends at lsn 52");
}

// Goal: records that were exchanged below the witness are found by the tree's root, though their count is right.
TEST_F(recovery_test, another_history_of_the_same_length_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    const auto fork = place_.path() / "fork";
    fs::copy(image, fork, fs::copy_options::recursive);
    for (const auto& [directory, text] : {std::pair(image, "one"), std::pair(fork, "two")})
    {
        open(directory);
        auto more = say(ann_, talk_, {text});
        auto outcome = more->outcome();
        ASSERT_TRUE(log_->submit(more));
        ASSERT_TRUE(outcome.get());
        log_.reset();
    }
    fs::remove_all(image / "db");
    fs::rename(fork / "db", image / "db");
    expect_refused(image, errc::corrupt, "the tree over them has another root");
}

// Goal: a witness older than the two newest states (brought back from elsewhere) is still held against the log.
TEST_F(recovery_test, an_old_witness_is_held_against_the_records_themselves)
{
    const auto image = crashed(crash_point::before_write);
    const auto old = place_.path() / "old-witness";
    fs::copy_file(image / "witness", old);
    open(image);
    for (int i = 0; i < 5; ++i)
    {
        auto more = say(ann_, talk_, {"later"});
        auto outcome = more->outcome();
        ASSERT_TRUE(log_->submit(more));
        ASSERT_TRUE(outcome.get());
    }
    log_.reset();
    fs::copy_file(old, image / "witness", fs::copy_options::overwrite_existing);
    open(image);
    EXPECT_EQ(log_->opened().kept_records, 5u);
}

TEST_F(recovery_test, a_foreign_directory_is_left_alone)
{
    const auto foreign = place_.path() / "home";
    fs::create_directory(foreign);
    std::ofstream(foreign / "letter.txt") << "dear";
    test_sink sink;
    const auto before = contents(foreign);
    const auto opened = open_log(options_for(foreign), rules_, sink, clock_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().detail.find("is not empty"), std::string::npos) << opened.error().detail;
    EXPECT_EQ(contents(foreign), before);
}

TEST_F(recovery_test, a_newer_format_is_named)
{
    const auto image = crashed(crash_point::before_write);
    std::ofstream(image / "relay.json") << R"({"format":2,"log":"00000000-0000-4000-8000-000000000000"})";
    expect_refused(image, errc::newer_version, "says format 2");
}

TEST_F(recovery_test, a_missing_root_key_is_refused)
{
    const auto image = crashed(crash_point::before_write);
    fs::remove(image / "root.key");
    expect_refused(image, errc::corrupt, "restore it from a backup");
}

TEST_F(recovery_test, a_lost_disk_beside_a_witness_is_no_new_log)
{
    const auto image = crashed(crash_point::before_write);
    auto options = options_for(place_.path() / "mount");
    fs::create_directory(options.directory);
    options.witness = image / "witness";
    test_sink sink;
    const auto opened = open_log(options, rules_, sink, clock_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(), errc::log_truncated);
    EXPECT_TRUE(fs::is_empty(options.directory));
}

TEST_F(recovery_test, the_witness_may_lie_on_another_disk)
{
    auto options = options_for(place_.path() / "data");
    options.witness = place_.path() / "other-disk-witness";
    for (int i = 0; i < 2; ++i)
    {
        test_sink sink;
        const auto log = open_log(options, rules_, sink, clock_);
        ASSERT_TRUE(log) << log.error().detail;
        EXPECT_TRUE(fs::exists(options.witness));
        EXPECT_FALSE(fs::exists(options.directory / "witness"));
    }
}

// Goal: whenever the first start is cut off, the next one makes a log that works.
TEST_F(recovery_test, a_first_start_that_was_cut_off_is_begun_anew)
{
    struct cut_off
    {
    };
    for (const auto point :
         {crash_point::creation_begun, crash_point::root_key_made, crash_point::database_made,
          crash_point::witness_made})
    {
        const auto options = options_for(place_.path() / ("at-" + std::to_string(static_cast<int>(point))));
        seams below;
        below.reached = [&](crash_point reached)
        {
            if (reached == point)
                throw cut_off{};
        };
        test_sink sink;
        EXPECT_THROW(static_cast<void>(open_log_over(options, rules_, sink, clock_, below)), cut_off);
        auto reader_options = options;
        EXPECT_EQ(open_log_reader(reader_options, rules_).error(), errc::not_found);
        const auto log = open_log(options, rules_, sink, clock_);
        ASSERT_TRUE(log) << log.error().detail;
        EXPECT_EQ((*log)->read()->head().value, 0u);
    }
}

/// A later version, with one table more: how often each account wrote. It takes the place of `messages`.
class grown_domain final : public domain
{
public:
    std::span<const std::string_view> tables() const override
    {
        static constexpr std::array<std::string_view, 4> names{"accounts", "cells", "messages", "totals"};
        return names;
    }
    std::span<const table_id> retired() const override
    {
        static constexpr std::array<table_id, 1> replaced{table_messages};
        return replaced;
    }
    revision last_revision(const view_reader& rows, account_id account) const override
    {
        return before_.last_revision(rows, account);
    }
    void fold(const event& happened, view_writer& rows) const override
    {
        before_.fold(happened, rows);
        const auto key = small_domain::account_key(rows, happened.header.account);
        rows.erase_prefix(table_messages, key);
        const auto total = rows.get(3, key);
        rows.put(3, key, to_bytes(big_endian((total ? number_in(*total) : 0) + 1)));
    }

private:
    small_domain before_;
};

// Goal: a version that knows more tables makes them from the log, also when it was interrupted, and goes on; an older
// version then refuses.
TEST_F(recovery_test, new_view_tables_are_made_from_the_log)
{
    const auto image = crashed(crash_point::after_witness_sync);
    const grown_domain grown;
    {
        const auto early = open_log_reader(options_for(image), grown);
        ASSERT_FALSE(early);
        EXPECT_EQ(early.error(), errc::unavailable);
    }
    {
        // As if the making had been cut off halfway.
        auto store = rocks_store::open(image / "db", store_access::read_write, grown.tables(), nullptr).value();
        EXPECT_EQ(store->tables_made(), 3u);
        const auto begun = store->begin_view(3).value();
        ASSERT_TRUE(store->db().Put({}, begun->handle(), "left", "over").ok());
        fs::create_directory(image / "views.new");
    }
    for (const std::uint64_t written : {acknowledged + 2, acknowledged + 3})
    {
        test_sink sink;
        const auto log = open_log(options_for(image), grown, sink, clock_);
        ASSERT_TRUE(log) << log.error().detail;
        await_views(**log, grown);
        const auto total = [&]
        {
            const auto at = (*log)->read();
            return number_in(at->get(3, small_domain::account_key(*at, ann_)).value());
        };
        EXPECT_EQ(total(), written);
        auto more = say(ann_, talk_, {"goes on"});
        auto outcome = more->outcome();
        ASSERT_TRUE((*log)->submit(more));
        ASSERT_TRUE(outcome.get());
        EXPECT_EQ(total(), written + 1);
        const auto rows = [&](table_id table)
        {
            std::size_t count = 0;
            (*log)->read()->scan(table, {}, {}, [&](byte_view, byte_view) { return ++count, true; });
            return count;
        };
        EXPECT_EQ(rows(3), 1u);
        EXPECT_EQ(rows(table_messages), 0u);
        (*log)->close();
        EXPECT_FALSE(fs::exists(image / "views.new"));
    }
    expect_refused(image, errc::newer_version, "view.totals");
}

/// A later version that only has no use for `messages` any more.
class shrunken_domain final : public domain
{
public:
    std::span<const std::string_view> tables() const override { return before_.tables(); }
    std::span<const table_id> retired() const override
    {
        static constexpr std::array<table_id, 1> unused{table_messages};
        return unused;
    }
    revision last_revision(const view_reader& rows, account_id account) const override
    {
        return before_.last_revision(rows, account);
    }
    void fold(const event& happened, view_writer& rows) const override { before_.fold(happened, rows); }

private:
    small_domain before_;
};

// Goal: what stands in a table that is not used any more goes also when no new table takes its place, and a tool that
// only reads leaves it.
TEST_F(recovery_test, a_retired_view_table_is_emptied_when_the_log_is_opened)
{
    const auto image = crashed(crash_point::after_witness_sync);
    const shrunken_domain later;
    const auto messages = [](const snapshot& at)
    {
        std::size_t count = 0;
        at.scan(table_messages, {}, {}, [&](byte_view, byte_view) { return ++count, true; });
        return count;
    };
    {
        const auto early = open_log_reader(options_for(image), later);
        ASSERT_TRUE(early) << early.error().detail;
        EXPECT_GT(messages(*(*early)->read()), 0u);
    }
    for (int start = 0; start < 2; ++start)
    {
        test_sink sink;
        const auto log = open_log(options_for(image), later, sink, clock_);
        ASSERT_TRUE(log) << log.error().detail;
        EXPECT_EQ(messages(*(*log)->read()), 0u);
    }
}

// Goal: a power cut at any moment, which loses everything not synced, loses nothing that was acknowledged.
TEST_F(recovery_test, a_power_cut_loses_nothing_acknowledged)
{
    fault_disk disk;
    const auto live = place_.path() / "live";
    std::vector<std::pair<fs::path, std::uint64_t>> images; ///< and the last record acknowledged then
    test_sink sink;
    seams below;
    below.env = disk.env.get();
    bool writing = false;
    const auto cut_power = [&]
    {
        if (!writing)
            return;
        const auto order = sink.order();
        const auto image = place_.path() / ("cut-" + std::to_string(images.size()));
        disk.files->copy_synced(live, image);
        images.emplace_back(image, order.empty() ? 0 : order.back().value);
    };
    below.reached = [&](crash_point) { cut_power(); };
    disk.files->before = [&](const std::string& file, disk_operation operation)
    {
        if (is_wal(file) && operation == disk_operation::sync)
            cut_power();
        return rocksdb::IOStatus::OK();
    };
    {
        const auto log = open_log_over(options_for(live), rules_, sink, clock_, below).value();
        writing = true;
        const auto run = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            ASSERT_TRUE(log->submit(wanted));
            ASSERT_TRUE(outcome.get());
        };
        run(create_account(ann_));
        run(create_session(ann_, talk_));
        for (int i = 0; i < 5; ++i)
            run(say(ann_, talk_, {"one", "two"}));
        log->close();
        writing = false;
    }
    ASSERT_GE(images.size(), 30u);
    for (const auto& [image, last] : images)
    {
        open(image);
        EXPECT_GE(log_->read()->head().value, last);
        log_.reset();
        const auto reader = open_log_reader(options_for(image), rules_);
        ASSERT_TRUE(reader) << reader.error().detail;
        EXPECT_TRUE((*reader)->verify(1)->findings.empty());
        fs::remove_all(image);
    }
}

} // namespace
} // namespace consortium::log
