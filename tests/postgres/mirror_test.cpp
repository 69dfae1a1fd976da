#include "consortium/postgres/mirror.hpp"
#include "mirror_writer.hpp"
#include "postgres/postgres_server.hpp"
#include "projections/memory_log.hpp"
#include <condition_variable>
#include <future>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

using namespace consortium;
using namespace consortium::postgres;
using namespace consortium::postgres::testing;
using namespace consortium::projections;
using namespace consortium::projections::testing;
using namespace std::chrono_literals;

namespace
{

/// Counts what was committed.
class counting_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override
    {
        const std::lock_guard lock(guard_);
        for (const auto& one : batch)
            EXPECT_TRUE(one.committed.has_value()) << one.committed.error().detail;
        ended_ += batch.size();
        changed_.notify_all();
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override { ADD_FAILURE() << why.detail; }
    void wait_for(std::size_t count)
    {
        std::unique_lock lock(guard_);
        changed_.wait(lock, [&] { return ended_ >= count; });
    }

private:
    std::mutex guard_;
    std::condition_variable changed_;
    std::size_t ended_ = 0;
};

/// A real log, and a mirror that follows it into a real Postgres.
class mirroring : public ::testing::Test
{
protected:
    const std::filesystem::path place_ = make_place();
    const system_clock_source clock_;
    counting_sink sink_;
    std::unique_ptr<log::event_log> log_;
    std::size_t submitted_ = 0;
    postgres_server server_;
    std::unique_ptr<mirror> mirror_;
    principal who_;
    session_id session_;

    static std::filesystem::path make_place()
    {
        auto name = (std::filesystem::temp_directory_path() / "consortium-mirror-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        return name;
    }
    void SetUp() override
    {
        log::log_options options;
        options.directory = place_ / "log";
        options.master_secret = "a master secret of more than 32 characters";
        log_ = log::open_log(options, rules(), sink_, clock_).value();
        const auto done = submit(stated_account(1).sign_in(10, device_kind::browser));
        who_ = {done->found_account, done->found_device, done->found_kind};
        session_ = submit(session_wish(who_, "session"))->session;
    }
    void TearDown() override
    {
        mirror_.reset();
        log_->close();
        log_.reset();
        std::filesystem::remove_all(place_);
    }

    template <class Command>
    std::shared_ptr<Command> submit(Command wish)
    {
        auto wanted = std::make_shared<Command>(std::move(wish));
        EXPECT_TRUE(log_->submit(wanted).has_value());
        sink_.wait_for(++submitted_);
        return wanted;
    }
    void say(std::size_t count)
    {
        for (std::size_t i = 0; i < count; ++i)
            submit(message_wish(who_, session_, {{"content", to_string(new_id<message_id>())}}));
    }
    void start(std::chrono::milliseconds timeout = 30s)
    {
        mirror_ = start_mirror(
            {.where = database_url::parse(server_.url()).value(), .timeout = timeout, .retry = 300ms}, *log_, clock_);
    }
    /// Waits as long as a busy machine may take.
    template <class Condition>
    void wait_until(const char* what, Condition&& condition)
    {
        for (const auto until = std::chrono::steady_clock::now() + 300s; !condition();)
        {
            ASSERT_LT(std::chrono::steady_clock::now(), until) << what << ": " << mirror_->status().last_error;
            std::this_thread::sleep_for(10ms);
        }
    }
    void wait_until_caught_up()
    {
        wait_until(
            "the mirror did not catch up",
            [&]
            {
                const auto is = mirror_->status();
                return is.doing == mirror_status::phase::following && is.position == is.head;
            });
    }
    void expect_equal()
    {
        wait_until_caught_up();
        const auto report = mirror_->verify();
        ASSERT_TRUE(report.has_value()) << report.error().detail;
        EXPECT_EQ(report->differences, 0u);
        for (const auto& one : report->findings)
            ADD_FAILURE() << one;
    }
    std::string rows() { return server_.sql("SELECT count(*) FROM consortium.messages")[0][0].as<std::string>(); }
};

} // namespace

TEST_F(mirroring, catches_up_and_goes_on_live)
{
    say(700);
    start();
    wait_until_caught_up();
    say(20);
    expect_equal();
    EXPECT_EQ(rows(), "720");
    submit(about<delete_session>(who_, session_));
    expect_equal();
    EXPECT_EQ(rows(), "0");
}

// Goal: a verification while others write compares one moment, and what came meanwhile is not lost.
TEST_F(mirroring, is_verified_while_others_write)
{
    say(50);
    start();
    wait_until_caught_up();
    std::atomic<bool> done = false;
    auto writing = std::async(
        std::launch::async,
        [&]
        {
            while (!done)
                say(5);
        });
    for (int i = 0; i < 5; ++i)
    {
        const auto report = mirror_->verify();
        EXPECT_TRUE(report.has_value() && report->differences == 0 && report->rows > 50);
    }
    done = true;
    writing.get();
    expect_equal();
}

// Goal: a log that was set back to a backup keeps its id; what it holds since is not taken for what the mirror has.
TEST_F(mirroring, notices_a_log_that_was_set_back)
{
    say(5);
    start();
    wait_until_caught_up();
    for (const auto* another :
         {"UPDATE consortium.position SET last_event = 'message_appended of another one'",
          "UPDATE consortium.position SET lsn = lsn + 1000",
          "UPDATE consortium.position SET log_id = gen_random_uuid()"})
    {
        mirror_.reset();
        server_.sql(std::string(another) + "; UPDATE consortium.messages SET content = 'old'");
        start();
        expect_equal();
    }
}

// Goal: a Postgres that lies about where it is gets no row twice: that is said, with what helps, and helps.
TEST_F(mirroring, says_what_helps_where_the_position_lies)
{
    say(5);
    start();
    wait_until_caught_up();
    const auto earlier = *mirror_->status().position;
    say(5);
    wait_until_caught_up();
    const auto lie = "lsn = " + std::to_string(earlier.value) + ", last_event = '" +
                     fingerprint(log_->read()->read(earlier).value()) + "'";
    for (const auto& [set, said] :
         {std::pair{lie, "mirror rebuild"}, std::pair{std::string("lsn = -1"), "consortium.position"}})
    {
        mirror_.reset();
        server_.sql("UPDATE consortium.position SET " + set);
        start();
        wait_until("it was believed", [&] { return mirror_->status().last_error.contains(said); });
        EXPECT_EQ(mirror_->status().doing, mirror_status::phase::connecting);
        mirror_->rebuild();
        expect_equal();
    }
}

// Goal: how much is lacking is said in time too, and nothing that nobody knows.
TEST_F(mirroring, says_how_old_is_what_it_lacks)
{
    say(1);
    server_.signal(SIGSTOP);
    start();
    EXPECT_FALSE(mirror_->status().position);
    EXPECT_FALSE(mirror_->status().lag);
    server_.signal(SIGCONT);
    wait_until_caught_up();
    EXPECT_EQ(mirror_->status().lag, 0ms);
    server_.stop();
    say(1);
    wait_until("the first event that is lacking grew no older", [&] { return mirror_->status().lag > 50ms; });
    say(1);
    EXPECT_GT(mirror_->status().lag, 50ms) << "of the first, not of the last";
    server_.start();
    wait_until_caught_up();
    EXPECT_EQ(mirror_->status().lag, 0ms);
}

TEST_F(mirroring, says_what_is_wrong_and_ends_at_once)
{
    say(5);
    start(1s);
    wait_until_caught_up();
    server_.signal(SIGSTOP);
    say(1);
    wait_until(
        "the mirror did not give up", [&] { return mirror_->status().doing == mirror_status::phase::connecting; });
    const auto is = mirror_->status();
    EXPECT_FALSE(is.last_error.empty());
    EXPECT_GT(is.head, is.position);
    EXPECT_EQ(mirror_->verify().error(), errc::unavailable);
    const auto begun = std::chrono::steady_clock::now();
    mirror_->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
    EXPECT_EQ(mirror_->verify().error(), errc::closed);
    server_.signal(SIGCONT);
    start();
    expect_equal();
}

// A connection that ends while nothing is written is missed at the next heartbeat.
TEST_F(mirroring, says_in_words_that_a_quiet_connection_was_lost)
{
    start();
    wait_until_caught_up();
    server_.kill();
    wait_until("nobody missed it", [&] { return mirror_->status().failures > 0; });
    EXPECT_TRUE(mirror_->status().last_error.starts_with("the connection was lost")) << mirror_->status().last_error;
    server_.start();
    expect_equal();
}

TEST_F(mirroring, is_rebuilt_when_that_is_asked_for)
{
    say(5);
    start();
    wait_until_caught_up();
    server_.sql("DELETE FROM consortium.messages; UPDATE consortium.sessions SET seq = 99");
    EXPECT_EQ(mirror_->verify()->differences, 6u);
    mirror_->rebuild();
    wait_until("it was not rebuilt", [&] { return mirror_->verify()->differences == 0; });
    expect_equal();
}
