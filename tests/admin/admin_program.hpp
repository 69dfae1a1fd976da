#pragma once
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "projections/stated_account.hpp"
#include <boost/json.hpp>
#include <condition_variable>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <rocksdb/db.h>
#include <set>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/// The built program against directories made with the real log.
namespace consortium::admin::testing
{

namespace fs = std::filesystem;
namespace views = consortium::projections;

inline constexpr auto master_secret = "a master secret of more than 32 characters";

/// Keeps the outcomes until somebody asks.
class waiting_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override
    {
        const std::lock_guard lock(guard_);
        for (const auto& one : batch)
            done_.emplace(one.wanted.get(), one.committed);
        changed_.notify_all();
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override { ADD_FAILURE() << why.detail; }

    result<std::vector<std::shared_ptr<const log::event>>> wait_for(const log::command* wanted)
    {
        std::unique_lock lock(guard_);
        changed_.wait(lock, [&] { return done_.contains(wanted); });
        return done_.extract(wanted).mapped();
    }

private:
    std::mutex guard_;
    std::condition_variable changed_;
    std::map<const log::command*, result<std::vector<std::shared_ptr<const log::event>>>> done_;
};

struct ended
{
    int code = -1;
    std::string out;
    std::string err;
};

inline std::string content_of(const fs::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

class admin_program : public ::testing::Test
{
protected:
    fs::path place_ = make_place();
    fs::path data_ = place_ / "data";
    std::map<std::string, std::string> environment_{{"CONSORTIUM_MASTER_SECRET", master_secret}};

    static fs::path make_place()
    {
        auto name = (fs::temp_directory_path() / "consortium-admin-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        return name;
    }
    void TearDown() override { fs::remove_all(place_); }

    ended run(std::vector<std::string> arguments)
    {
        arguments.insert(arguments.begin(), ADMIN_PROGRAM);
        std::vector<char*> argv;
        for (auto& one : arguments)
            argv.push_back(one.data());
        argv.push_back(nullptr);
        std::vector<std::string> variables;
        for (const auto& [key, value] : environment_)
            variables.push_back(key + "=" + value);
        // A sanitizer in the program must leave alone what the tests' own leaves alone.
        if (const auto* options = std::getenv("TSAN_OPTIONS"))
            variables.push_back(std::string("TSAN_OPTIONS=") + options);
        std::vector<char*> envp;
        for (auto& one : variables)
            envp.push_back(one.data());
        envp.push_back(nullptr);

        const auto out = (place_ / "stdout").string();
        const auto err = (place_ / "stderr").string();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        pid_t child = 0;
        EXPECT_EQ(::posix_spawn(&child, ADMIN_PROGRAM, &actions, nullptr, argv.data(), envp.data()), 0);
        posix_spawn_file_actions_destroy(&actions);
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(out), content_of(err)};
    }
    ended verify(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"verify", "--data", data_.string()});
        return run(more);
    }
    ended replay(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"replay", "--check", "--data", data_.string()});
        return run(more);
    }

    /// A relay's log, open.
    struct open_relay
    {
        waiting_sink sink;
        system_clock_source clock;
        std::unique_ptr<log::event_log> log;
        views::principal owner;

        template <class Command>
        std::shared_ptr<Command> submit(Command wish)
        {
            auto wanted = std::make_shared<Command>(std::move(wish));
            EXPECT_TRUE(log->submit(wanted).has_value());
            EXPECT_TRUE(sink.wait_for(wanted.get()).has_value());
            return wanted;
        }
        session_id session(std::string tag, std::size_t messages)
        {
            views::create_session created;
            created.who = owner;
            created.new_session = session_id{make_uuid_v7(clock.now())};
            created.tag = tag;
            created.metadata = "metadata";
            const auto id = submit(created)->session;
            for (std::size_t i = 0; i < messages; ++i)
            {
                views::append_messages appended;
                appended.who = owner;
                appended.session = id;
                appended.items.push_back(
                    {"content " + std::to_string(i), "local " + std::to_string(i),
                     message_id{make_uuid_v7(clock.now())}});
                submit(appended);
            }
            return id;
        }
        void remove(session_id session)
        {
            views::delete_session deleted;
            deleted.who = owner;
            deleted.session = session;
            submit(deleted);
        }
    };
    std::unique_ptr<open_relay> start()
    {
        auto relay = std::make_unique<open_relay>();
        log::log_options options;
        options.directory = data_;
        options.master_secret = master_secret;
        auto opened = log::open_log(options, views::rules(), relay->sink, relay->clock);
        if (!opened)
            throw std::runtime_error(opened.error().detail);
        relay->log = std::move(*opened);
        const auto done = relay->submit(views::testing::stated_account(1).sign_in(2, device_kind::browser));
        relay->owner = {done->found_account, done->found_device, done->found_kind};
        return relay;
    }
    /// A log with deletions: 2 + 6 + 1 + 4 records, 6 of them shredded.
    void make_log()
    {
        const auto relay = start();
        const auto doomed = relay->session("doomed", 5);
        relay->remove(doomed);
        relay->session("kept", 3);
        relay->log->close();
    }

    std::map<std::string, std::string> files() const
    {
        std::map<std::string, std::string> out;
        for (const auto& entry : fs::recursive_directory_iterator(data_))
            // RocksDB's own diary is no data.
            if (entry.is_regular_file() && !entry.path().filename().string().starts_with("LOG"))
                out[fs::relative(entry.path(), data_)] = content_of(entry.path());
        return out;
    }

    /// Changes the database as somebody would who knows RocksDB and has no key.
    template <class Change>
    void change_database(const std::string& family, const Change& change)
    {
        const auto path = (data_ / "db").string();
        std::vector<std::string> names;
        ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
        rocksdb::DBOptions options;
        options.track_and_verify_wals_in_manifest = true;
        std::vector<rocksdb::ColumnFamilyDescriptor> families;
        for (const auto& name : names)
            families.emplace_back(name, rocksdb::ColumnFamilyOptions());
        std::vector<rocksdb::ColumnFamilyHandle*> handles;
        rocksdb::DB* opened = nullptr;
        const auto status = rocksdb::DB::Open(options, path, families, &handles, &opened);
        ASSERT_TRUE(status.ok()) << status.ToString();
        const std::unique_ptr<rocksdb::DB> database(opened);
        bool found = false;
        for (auto* handle : handles)
            if (handle->GetName() == family)
            {
                found = true;
                change(*database, *handle);
            }
        EXPECT_TRUE(found) << "no column family " << family;
        for (auto* handle : handles)
            EXPECT_TRUE(database->DestroyColumnFamilyHandle(handle).ok());
        EXPECT_TRUE(database->Close().ok());
    }
};

inline boost::json::object json_of(const ended& program)
{
    return boost::json::parse(program.out).as_object();
}

} // namespace consortium::admin::testing
