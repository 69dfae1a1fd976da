#pragma once
#include "log/fault_file_system.hpp"
#include "log/live_copy.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>

/// A log as the end of its process left it, to be damaged and opened again.
namespace consortium::log::testing
{

namespace fs = std::filesystem;

inline constexpr std::uint64_t acknowledged = 52; // an account, a session, 50 messages

class recovery_test : public ::testing::Test
{
protected:
    result<std::unique_ptr<event_log>> try_open(const fs::path& directory)
    {
        log_.reset();
        sink_ = std::make_unique<test_sink>();
        auto options = options_for(directory);
        options.create = false;
        return open_log_over(options, rules_, *sink_, clock_, {});
    }
    void open(const fs::path& directory)
    {
        auto opened = try_open(directory);
        ASSERT_TRUE(opened) << opened.error().detail;
        log_ = std::move(*opened);
    }
    void expect_refused(const fs::path& directory, errc code, const std::string& words)
    {
        const auto before = contents(directory);
        const auto opened = try_open(directory);
        ASSERT_FALSE(opened) << "served with head " << (*opened)->read()->head().value;
        EXPECT_EQ(opened.error().code, code) << opened.error().detail;
        EXPECT_NE(opened.error().detail.find(words), std::string::npos) << opened.error().detail;
        EXPECT_EQ(contents(directory), before) << "a refused directory was changed";
    }
    /// Everything that is there, for comparison.
    static std::map<std::string, std::string> contents(const fs::path& directory)
    {
        std::map<std::string, std::string> out;
        for (const auto& entry : fs::recursive_directory_iterator(directory))
            if (entry.is_regular_file())
            {
                std::ifstream file(entry.path(), std::ios::binary);
                out[entry.path().string()] = {std::istreambuf_iterator<char>(file), {}};
            }
        return out;
    }

    /// A log with `acknowledged` records, as the end of its process left it. `pause(log, store)` runs before the end.
    /// One more command is under way, and the process ends at `end` of it.
    fs::path crashed(crash_point end, const std::function<void(rocks_store&)>& halfway = {})
    {
        const auto live = place_.path() / "live";
        const auto image = place_.path() / "image";
        rocks_store* store = nullptr;
        std::atomic<bool> last = false;
        seams below;
        below.opened = [&](rocks_store& opened) { store = &opened; };
        below.reached = [&](crash_point point)
        {
            if (last && point == end)
                copy_live(live, image);
        };
        test_sink sink;
        auto log = open_log_over(options_for(live), rules_, sink, clock_, below).value();
        const auto run = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            EXPECT_TRUE(log->submit(wanted));
            EXPECT_TRUE(outcome.get());
        };
        run(create_account(ann_));
        run(create_session(ann_, talk_));
        for (std::uint64_t i = 2; i < acknowledged; ++i)
        {
            if (i == acknowledged / 2 && halfway)
                halfway(*store);
            run(say(ann_, talk_, {"message " + std::to_string(i)}));
        }
        last = true;
        run(say(ann_, talk_, {"under way", std::string(200, 'x')}));
        log->close();
        return image;
    }

    static std::vector<fs::path> wals(const fs::path& directory)
    {
        std::vector<fs::path> out;
        for (const auto& entry : fs::directory_iterator(directory / "db"))
            if (entry.path().extension() == ".log")
                out.push_back(entry.path());
        std::ranges::sort(out);
        return out;
    }
    static void flip(const fs::path& path, std::uint64_t at)
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(at));
        const auto byte = static_cast<char>(file.get() ^ 0x10);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(byte);
    }
    static void flip_slot(const fs::path& directory, std::uint64_t slot)
    {
        flip(directory / "witness", slot * 4096 + 40);
    }
    static void cut(const fs::path& path, std::uint64_t bytes) { fs::resize_file(path, fs::file_size(path) - bytes); }

    void expect_head(std::uint64_t head)
    {
        EXPECT_EQ(log_->read()->head().value, head);
        EXPECT_EQ(log_->read()->read(lsn{1}, 1000)->size(), head);
    }

    temporary_directory place_;
    small_domain rules_;
    manual_clock clock_{1'700'000'000'000};
    std::unique_ptr<test_sink> sink_;
    std::unique_ptr<event_log> log_;
    const account_id ann_ = account_of(1);
    const session_id talk_ = session_of(1);
};

} // namespace consortium::log::testing
