#include "log/closed_store.hpp"
#include "log/recovery_fixture.hpp"
#include "root_key.hpp"
#include "witness.hpp"

/// What a directory that must not be served is told apart as, word for word: an operator has nothing else to go by.
namespace consortium::log
{
namespace
{

using namespace testing;

/// The end of every message about damage.
constexpr std::string_view restore =
    " Nothing was changed. Copy the directory before anything else, then restore the newest backup of it.";
/// Behind it where acknowledged records are missing.
constexpr std::string_view last_resort =
    " If there is none, consortium-admin witness adopt makes what is left the log, under a new id.";
/// The end of messages about what RocksDB will not open.
constexpr std::string_view at_stake = ". Records up to lsn 52 were acknowledged; some of lsn 1 to 52 are missing or "
                                      "damaged. Nothing was changed. Copy the "
                                      "directory before anything else, then restore the newest backup of it.";
constexpr std::string_view newer_step = ". Nothing was changed. Start the version that wrote it, or a newer one.";

class refusals_test : public recovery_test
{
protected:
    struct refusal
    {
        errc code{};
        std::string words; ///< with DIR for the directory
        bool starts_with(std::string_view what) const { return words.starts_with(what); }
        bool ends_with(std::string_view what) const { return words.ends_with(what); }
    };

    /// Opens the directory for writing, and for reading only, which must be refused alike and change nothing.
    refusal refused(const fs::path& directory, bool readers_too = true)
    {
        const auto before = contents(directory);
        const auto opened = try_open(directory);
        if (opened)
        {
            ADD_FAILURE() << "served with head " << (*opened)->read()->head().value;
            return {};
        }
        if (readers_too)
        {
            const auto read = open_log_reader(options_for(directory), rules_);
            if (read)
            {
                ADD_FAILURE() << "a tool reads it";
                return {};
            }
            EXPECT_EQ(read.error().code, opened.error().code);
            EXPECT_EQ(read.error().detail, opened.error().detail);
        }
        EXPECT_EQ(contents(directory), before) << "a refused directory was changed";
        return {.code = opened.error().code, .words = without(directory, opened.error().detail)};
    }
    static std::string without(const fs::path& directory, std::string words)
    {
        for (auto at = words.find(directory.string()); at != std::string::npos; at = words.find(directory.string()))
            words.replace(at, directory.string().size(), "DIR");
        return words;
    }
    static void expect(const refusal& found, errc code, const std::string& words)
    {
        EXPECT_EQ(found.code, code);
        EXPECT_EQ(found.words, words);
    }

    static void overwrite(const fs::path& path, std::string_view content)
    {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    }
    /// Another log, made with the same secret, that was closed in order.
    fs::path another_log()
    {
        const auto other = place_.path() / "other";
        test_sink sink;
        EXPECT_TRUE(open_log(options_for(other), rules_, sink, clock_));
        return other;
    }
    fs::path sound() { return crashed(crash_point::before_write); }
    fs::path with_older_wal()
    {
        return crashed(
            crash_point::before_write, [](rocks_store& store) { ASSERT_TRUE(store.db().Flush({}, store.log()).ok()); });
    }
};

} // namespace

// The damages to a WAL, as measured: what RocksDB alone would serve, or not.
TEST_F(refusals_test, a_cut_newest_wal_names_what_is_missing)
{
    const auto image = sound();
    cut(wals(image).back(), 100);
    expect(
        refused(image), errc::log_truncated,
        "lsn 52 were acknowledged and are missing: the log ends at lsn 51." + std::string(restore) +
            std::string(last_resort));
}

TEST_F(refusals_test, a_flipped_bit_in_the_last_record_names_what_is_missing)
{
    const auto image = sound();
    flip(wals(image).back(), fs::file_size(wals(image).back()) - 50);
    expect(
        refused(image), errc::log_truncated,
        "lsn 52 were acknowledged and are missing: the log ends at lsn 51." + std::string(restore) +
            std::string(last_resort));
}

TEST_F(refusals_test, a_flipped_bit_in_the_middle_names_everything_behind_it)
{
    const auto image = sound();
    flip(wals(image).back(), fs::file_size(wals(image).back()) / 2);
    const auto found = refused(image);
    EXPECT_EQ(found.code, errc::log_truncated);
    unsigned first = 0;
    unsigned last = 0;
    ASSERT_EQ(
        std::sscanf(
            found.words.c_str(), "lsn %u to 52 were acknowledged and are missing: the log ends at lsn %u.", &first,
            &last),
        2)
        << found.words;
    EXPECT_EQ(first, last + 1);
    EXPECT_GT(last, 10u);
    EXPECT_TRUE(found.ends_with(std::string(restore) + std::string(last_resort))) << found.words;
}

TEST_F(refusals_test, a_deleted_newest_wal_names_what_was_in_it)
{
    const auto image = with_older_wal();
    fs::remove(wals(image).back());
    expect(
        refused(image), errc::log_truncated,
        "lsn 27 to 52 were acknowledged and are missing: the log ends at lsn 26." + std::string(restore) +
            std::string(last_resort));
}

TEST_F(refusals_test, a_deleted_or_altered_older_wal_says_what_is_at_stake)
{
    for (const bool remove : {true, false})
    {
        const auto image = with_older_wal();
        const auto older = wals(image).front();
        if (remove)
            fs::remove(older);
        else
            flip(older, fs::file_size(older) / 2);
        const auto found = refused(image);
        EXPECT_EQ(found.code, errc::corrupt);
        EXPECT_TRUE(found.starts_with("RocksDB refuses DIR/db: ")) << found.words;
        EXPECT_TRUE(found.ends_with(at_stake)) << found.words;
        fs::remove_all(place_.path() / "live");
        fs::remove_all(image);
    }
}

TEST_F(refusals_test, every_missing_column_family_is_named)
{
    const auto image = with_older_wal();
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, (image / "db").string(), &names).ok());
    ASSERT_GE(names.size(), 4 + rules_.tables().size());
    for (const auto& name : names)
    {
        // RocksDB cannot drop the first; the others are made from the log.
        if (name == rocksdb::kDefaultColumnFamilyName || name.starts_with("view."))
            continue;
        const auto copy = place_.path() / "copy";
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
        {
            std::vector<rocksdb::ColumnFamilyDescriptor> all;
            for (const auto& one : names)
                all.emplace_back(one, rocksdb::ColumnFamilyOptions());
            std::vector<rocksdb::ColumnFamilyHandle*> handles;
            rocksdb::DB* raw = nullptr;
            rocksdb::DBOptions options;
            options.track_and_verify_wals_in_manifest = true;
            ASSERT_TRUE(rocksdb::DB::Open(options, (copy / "db").string(), all, &handles, &raw).ok());
            const std::unique_ptr<rocksdb::DB> db(raw);
            for (auto* handle : handles)
            {
                if (handle->GetName() == name)
                    EXPECT_TRUE(db->DropColumnFamily(handle).ok());
                db->DestroyColumnFamilyHandle(handle);
            }
        }
        expect(refused(copy), errc::corrupt, "column family '" + name + "' is missing" + std::string(at_stake));
    }
}

// Goal: parts of two logs are never served together, whichever was exchanged.
TEST_F(refusals_test, a_part_of_another_log_is_told_by_its_name)
{
    const auto image = sound();
    const auto other = another_log();
    std::string mine;
    std::string theirs;
    {
        mine = to_string(open_log_reader(options_for(image), rules_).value()->id());
        theirs = to_string(open_log_reader(options_for(other), rules_).value()->id());
    }
    const auto with = [&](const char* part)
    {
        const auto copy = place_.path() / "mixed";
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
        fs::remove_all(copy / part);
        fs::copy(other / part, copy / part, fs::copy_options::recursive);
        return refused(copy);
    };
    expect(
        with("db"), errc::corrupt,
        "the database belongs to log " + theirs + ", the witness to log " + mine + "." + std::string(restore));
    expect(
        with("witness"), errc::corrupt,
        "relay.json belongs to log " + mine + ", the witness to log " + theirs + "." + std::string(restore));
    expect(
        with("relay.json"), errc::corrupt,
        "relay.json belongs to log " + theirs + ", the witness to log " + mine + "." + std::string(restore));
    const auto root_key = with("root.key");
    EXPECT_EQ(root_key.code, errc::corrupt);
    EXPECT_EQ(root_key.words, "the log key: a wrapped key does not open" + std::string(at_stake));
}

TEST_F(refusals_test, a_directory_of_something_else_is_left_alone)
{
    const auto home = place_.path() / "home";
    fs::create_directory(home);
    overwrite(home / "letter.txt", "dear");
    auto options = options_for(home);
    const auto before = contents(home);
    test_sink sink;
    const auto opened = open_log(options, rules_, sink, clock_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::corrupt);
    EXPECT_EQ(
        without(home, opened.error().detail),
        "DIR is not a log's data directory (relay.json is missing) and is not empty. Nothing was changed; name another "
        "directory, or restore relay.json from a backup.");
    EXPECT_EQ(contents(home), before);
}

// Goal: what a newer version wrote is left to it, wherever the news are.
TEST_F(refusals_test, a_newer_format_is_left_to_the_newer_version)
{
    const auto image = sound();
    const auto copy = place_.path() / "newer";
    const auto anew = [&]
    {
        log_.reset();
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
    };
    const std::string step(newer_step);

    anew();
    overwrite(copy / "relay.json", R"({"format":2,"log":"00000000-0000-4000-8000-000000000000"})");
    expect(refused(copy), errc::newer_version, "DIR/relay.json says format 2; this version reads format 1" + step);

    anew();
    {
        const auto now = read_witness(copy / "witness").value();
        std::fstream file(copy / "witness", std::ios::in | std::ios::out | std::ios::binary);
        std::string slot(80, '\0');
        const auto start = static_cast<std::streamoff>(now.generation % 2 * 4096);
        file.seekg(start).read(slot.data(), 80);
        slot[8] = 2;
        const auto sum = little_endian(crc32c(view(slot).first(76)));
        std::ranges::copy(sum, slot.begin() + 76);
        file.seekp(start).write(slot.data(), 80);
    }
    {
        const auto found = refused(copy);
        EXPECT_EQ(found.code, errc::newer_version);
        EXPECT_TRUE(found.starts_with("DIR/witness: the witness is of a newer version")) << found.words;
        EXPECT_TRUE(found.ends_with(step)) << found.words;
    }

    anew();
    {
        std::fstream file(copy / "root.key", std::ios::in | std::ios::out | std::ios::binary);
        file.put(2);
    }
    expect(refused(copy), errc::newer_version, "DIR/root.key: root key is of a newer version" + step);

    anew();
    write_store(
        copy, rules_,
        [](rocks_store& store, rocksdb::WriteBatch& batch)
        {
            auto head = store.head()->serialize();
            ++head[0];
            batch.Put(store.meta(), "head", slice(head));
        });
    expect(refused(copy), errc::newer_version, "the log's head is of an unknown version" + step);

    anew();
    write_store(
        copy, rules_, [](rocks_store& store, rocksdb::WriteBatch& batch)
        { batch.Put(store.meta(), "tables", "accounts\ncells\nmessages\ntomorrow\n"); });
    expect(
        refused(copy), errc::newer_version,
        "view table 'tomorrow' is unknown: a newer version of this program wrote here" + step);

    anew();
    {
        const auto store = rocks_store::open(copy / "db", store_access::read_write, rules_.tables(), nullptr).value();
        rocksdb::ColumnFamilyHandle* made = nullptr;
        ASSERT_TRUE(store->db().CreateColumnFamily({}, "view.tomorrow", &made).ok());
        store->db().DestroyColumnFamilyHandle(made);
    }
    expect(
        refused(copy), errc::newer_version,
        "column family 'view.tomorrow' is unknown: a newer version of this program wrote here" + step);

    anew();
    write_store(
        copy, rules_,
        [](rocks_store& store, rocksdb::WriteBatch& batch)
        {
            std::string key;
            ASSERT_TRUE(store.db().Get({}, store.keys(), "nlog", &key).ok());
            key[0] = 3;
            batch.Put(store.keys(), "nlog", key);
        });
    expect(refused(copy), errc::newer_version, "the log key: a wrapped key is of an unknown form" + step);
}

// Goal: a record of a newer version is never taken for damage, nor skipped. The last one is looked at when the log is
// opened: whoever went back to this version has it there.
TEST_F(refusals_test, a_record_of_a_newer_version_is_told_from_damage)
{
    const auto image = sound();
    const auto copy = place_.path() / "newer";
    const auto put = [&](std::uint64_t number, const std::function<void(std::string&)>& change)
    {
        log_.reset();
        fs::remove_all(copy);
        fs::copy(image, copy, fs::copy_options::recursive);
        write_store(
            copy, rules_,
            [&](rocks_store& store, rocksdb::WriteBatch& batch)
            {
                std::string record;
                const auto key = slice(big_endian(number)).ToString();
                ASSERT_TRUE(store.db().Get({}, store.log(), key, &record).ok());
                change(record);
                batch.Put(store.log(), key, record);
            });
    };
    const auto newer = [](std::string& record) { record[0] = static_cast<char>(record[0] + 7); };

    put(acknowledged, newer);
    auto found = refused(copy);
    EXPECT_EQ(found.code, errc::newer_version);
    EXPECT_TRUE(found.starts_with("lsn 52: record has version ")) << found.words;
    EXPECT_TRUE(found.ends_with(newer_step)) << found.words;

    put(acknowledged, [](std::string& record) { record[record.size() - 1] ^= 1; });
    open(copy); // a damaged body is found when it is read

    // Elsewhere it is found by whoever reads it, and at the tree's right edge when the tree is to grow.
    put(20, newer);
    found = refused(copy, /*readers_too=*/false);
    EXPECT_EQ(found.code, errc::newer_version);
    EXPECT_TRUE(found.starts_with("lsn 20: record has version ")) << found.words;
    EXPECT_TRUE(found.ends_with(newer_step)) << found.words;
    const auto reader = open_log_reader(options_for(copy), rules_);
    ASSERT_TRUE(reader) << reader.error().detail;
    const auto read = (*reader)->read()->read(lsn{20});
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error(), errc::newer_version) << read.error().detail;
    EXPECT_NE(read.error().detail.find("lsn 20"), std::string::npos) << read.error().detail;
    EXPECT_TRUE((*reader)->read()->read(lsn{21}));
}

TEST_F(refusals_test, a_directory_in_use_says_so)
{
    const auto image = sound();
    open(image);
    test_sink sink;
    const auto second = open_log(options_for(image), rules_, sink, clock_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::locked);
    EXPECT_EQ(
        without(image, second.error().detail),
        "DIR is in use by another process: stop it first, or use another directory");
}

} // namespace consortium::log
