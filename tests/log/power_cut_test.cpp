#include "log/closed_store.hpp"
#include "log/fault_file_system.hpp"
#include "log/key_traces.hpp"
#include "log/log_fixture.hpp"
#include <mutex>

namespace consortium::log
{
namespace
{

using namespace testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// The work that rewrites or adds to a log on its own account: a process or a machine may end at any step of it.
class power_cut_test : public log_fixture
{
protected:
    power_cut_test()
    {
        options.compact_delay = 1h;
        below.env = disk_.env.get();
        below.opened = [this](rocks_store& opened) { store = &opened; };
        disk_.files->before = [this](const std::string&, disk_operation)
        {
            const std::lock_guard one_at_a_time(cutting_);
            if (watching_)
                disk_.files->copy_synced(options.directory, images_.emplace_back(next_image()));
            return rocksdb::IOStatus::OK();
        };
    }
    ~power_cut_test() override { log.reset(); }

    /// What the disk would hold after a power cut before each of the operations of `work`, and after the last. Whatever
    /// the end of a process leaves is more than that.
    std::vector<fs::path> cuts_during(const std::function<void()>& work)
    {
        watch(true);
        work();
        disk_.files->before("the end", disk_operation::create);
        watch(false);
        return std::move(images_);
    }
    /// Opens what is left and ends it in order.
    void recover(const fs::path& image, const std::function<void()>& check)
    {
        options.directory = image;
        below.env = nullptr;
        open();
        if (HasFatalFailure())
            return;
        check();
        log.reset();
        const auto report = open_log_reader(options, rules).value()->verify(1).value();
        for (const auto& finding : report.findings)
            ADD_FAILURE() << image << ": " << finding.what;
        fs::remove_all(image);
    }

    rocks_store* store = nullptr;

private:
    void watch(bool now)
    {
        const std::lock_guard lock(cutting_);
        watching_ = now;
    }
    fs::path next_image() const { return place.path() / ("cut-" + std::to_string(images_.size())); }

    fault_disk disk_;
    std::mutex cutting_;
    bool watching_ = false;
    std::vector<fs::path> images_;
};

// Goal: wherever the wiping of a destroyed key is cut off, the log opens with all it held, the session stays deleted,
// and the work can be finished.
TEST_F(power_cut_test, while_destroyed_keys_are_wiped)
{
    open();
    make_session();
    ASSERT_TRUE(run(create_session(ann, session_of(2))));
    ASSERT_TRUE(run(say(ann, talk, {"one", "two"})));
    ASSERT_TRUE(store->db().Flush({}, store->keys()).ok());
    auto gone = wrapped_keys(*store);
    ASSERT_TRUE(run(delete_session(ann, talk)));
    for (const auto& left : wrapped_keys(*store))
        gone.erase(left);
    ASSERT_EQ(gone.size(), 1u);
    const auto key = *gone.begin();
    ASSERT_FALSE(files_with(options.directory, key).empty());

    const auto images = cuts_during([&] { ASSERT_TRUE(log->compact()); });
    ASSERT_GE(images.size(), 20u);
    EXPECT_EQ(files_with(images.back(), key), std::vector<std::string>{});
    log.reset();
    std::size_t unfinished = 0;
    options.compact_delay = 0ms;
    for (const auto& image : images)
    {
        unfinished += !files_with(image, key).empty();
        recover(
            image,
            [&]
            {
                EXPECT_EQ(log->read()->head(), lsn{6});
                EXPECT_TRUE(log->read()->read(lsn{4})->shredded());
                EXPECT_FALSE(log->read()->read(lsn{3})->shredded());
                ASSERT_TRUE(log->compact()); // what the start began is finished, or is done now
                EXPECT_EQ(files_with(image, key), std::vector<std::string>{}) << image;
            });
    }
    EXPECT_GE(unfinished, 10u) << "the key was gone before the work was half done";
}

// Goal: wherever the making of the tree over an older version's records is cut off, it is made by the next start.
TEST_F(power_cut_test, while_the_first_tiles_are_made)
{
    open();
    make_session();
    fill_up_to(700, 100);
    log.reset();
    forget_tree(options.directory, rules);

    const auto images = cuts_during([&] { open(); });
    ASSERT_GE(images.size(), 10u);
    log.reset();
    for (const auto& image : images)
        recover(
            image,
            [&]
            {
                EXPECT_EQ(log->read()->head(), lsn{700});
                const auto head = open_checkpoint(log->read()->checkpoint(), log->checkpoint_key()).value();
                for (const std::uint64_t number : {1u, 256u, 512u, 700u})
                {
                    const auto proof = log->read()->prove(lsn{number}, head.size).value();
                    EXPECT_TRUE(
                        merkle::verify_inclusion(proof.leaf(), proof.index(), head.size, proof.path, head.root));
                }
            });
}

} // namespace
} // namespace consortium::log
