#include "consortium/common/base64.hpp"
#include "projections/memory_log.hpp"
#include "rocks_store.hpp"
#include <condition_variable>
#include <mutex>
#include <random>

/// What a record costs on disk, everything in.
using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;
namespace fs = std::filesystem;

namespace
{

constexpr std::size_t payload_bytes = 1024;
constexpr std::size_t overhead_bytes_max = 400;

class waiting_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override
    {
        const std::lock_guard lock(guard_);
        for (const auto& one : batch)
            EXPECT_TRUE(one.committed.has_value()) << one.committed.error().detail;
        done_ += batch.size();
        changed_.notify_all();
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override { ADD_FAILURE() << why.detail; }

    void wait_for(std::size_t count)
    {
        std::unique_lock lock(guard_);
        changed_.wait(lock, [&] { return done_ >= count; });
    }

private:
    std::mutex guard_;
    std::condition_variable changed_;
    std::size_t done_ = 0;
};

/// A bundle as clients send it: base64 of random bytes.
std::string content(std::mt19937_64& random)
{
    bytes data(payload_bytes);
    for (auto& byte : data)
        byte = static_cast<std::uint8_t>(random());
    return base64_encode(data);
}

} // namespace

// Goal: payload plus 400 bytes, the rows of the views and the tree included. Method: messages as agents and
// dashboards send them, of several accounts and sessions in turn; then every column family is compacted, and the sizes
// of the files are added up. (What waits in the WAL is written out by then.)
TEST(size_on_disk, a_message_costs_its_payload_and_at_most_400_bytes)
{
    auto name = (fs::temp_directory_path() / "consortium-size-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    const fs::path place = name;
    log::log_options options;
    options.directory = place;
    options.master_secret = "a master secret of more than 32 characters";

    constexpr std::size_t accounts = 3;
    constexpr std::size_t sessions_each = 3;
    constexpr std::size_t messages = 18'000;
    std::mt19937_64 random(1);
    {
        const system_clock_source clock;
        waiting_sink sink;
        const auto opened = log::open_log(options, rules(), sink, clock).value();
        std::size_t submitted = 0;
        const auto run = [&](auto wanted)
        {
            ASSERT_TRUE(opened->submit(wanted).has_value());
            ++submitted;
        };
        std::vector<std::pair<principal, session_id>> rooms;
        for (std::uint8_t account = 0; account < accounts; ++account)
        {
            auto owner = std::make_shared<sign_in>(stated_account(account).sign_in(account, device_kind::agent));
            run(owner);
            sink.wait_for(submitted);
            for (std::size_t i = 0; i < sessions_each; ++i)
            {
                const auto created = std::make_shared<create_session>(session_wish(
                    {owner->found_account, owner->found_device, owner->found_kind}, "tag " + std::to_string(i)));
                run(created);
                rooms.emplace_back(created->who, created->new_session);
            }
        }
        for (std::size_t i = 0; i < messages; ++i)
        {
            auto said = std::make_shared<append_messages>();
            std::tie(said->who, said->session) = rooms[random() % rooms.size()];
            said->items.push_back({content(random), to_string(message_id{make_uuid_v4()}), new_id<message_id>()});
            run(said);
            if (i % 512 == 0)
                sink.wait_for(submitted);
        }
        sink.wait_for(submitted);
    }

    const auto store =
        log::rocks_store::open(place / "db", log::store_access::read_write, rules().tables(), nullptr).value();
    std::vector<rocksdb::ColumnFamilyHandle*> families{store->log(), store->keys(), store->meta(), store->tree()};
    for (log::table_id table = 0; table < rules().tables().size(); ++table)
        families.push_back(store->view(table));
    rocksdb::CompactRangeOptions whole;
    whole.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (auto* family : families)
    {
        ASSERT_TRUE(store->db().Flush({}, family).ok());
        ASSERT_TRUE(store->db().CompactRange(whole, family, nullptr, nullptr).ok());
    }
    std::map<std::string, std::uint64_t> sizes;
    std::uint64_t total = 0;
    std::vector<rocksdb::LiveFileMetaData> files;
    store->db().GetLiveFilesMetaData(&files);
    for (const auto& file : files)
    {
        sizes[file.column_family_name] += file.size;
        total += file.size;
    }
    std::string parts;
    for (const auto& [family, size] : sizes)
        parts += "\n  " + family + ": " + std::to_string(static_cast<double>(size) / messages);
    EXPECT_LE(static_cast<double>(total) / messages, payload_bytes + overhead_bytes_max) << parts;
    // Nothing is measured that is not there.
    EXPECT_GE(sizes["log"], messages * payload_bytes);
    EXPECT_GE(sizes["tree"], messages * 32);
    EXPECT_GE(sizes["view.local_id"], messages * 32);
    fs::remove_all(place);
}
