#include "connection.hpp"
#include "consortium/projections/commands.hpp"
#include "relay_fixture.hpp"
#include "unreadable_log.hpp"
#include <future>

namespace consortium::relay
{
namespace
{

/// A socket that counts what it is told.
class quiet_socket final : public socket
{
public:
    explicit quiet_socket(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    const std::string& id() const noexcept override { return id_; }
    std::size_t thread() const noexcept override { return 0; }
    const std::string& remote_address() const noexcept override { return id_; }
    asio::any_io_executor executor() const override { return executor_; }
    bool is_open() const noexcept override { return true; }
    void emit(net::shared_frame) override {}
    void emit(std::string_view, const boost::json::value&) override {}
    void emit_with_ack(std::string_view, arguments, std::chrono::milliseconds, answer_callback) override {}
    void flush() override {}
    std::size_t queued_bytes() const noexcept override { return 0; }
    void pause_reading() override { ++pauses; }
    void resume_reading() override { --pauses; }
    void close_transport(std::string_view) override { ++closings; }
    void disconnect() override {}

    int pauses = 0;
    int closings = 0;

protected:
    void answer(std::uint64_t, arguments) override {}
    void answer(net::shared_frame) override {}

private:
    const std::string id_ = "quiet";
    asio::any_io_executor executor_;
};

class connection_test : public relay_fixture
{
protected:
    connection_test()
    {
        commits.attach(
            full, *updates,
            {.committed = [](const log::event&) {},
             .pressure = [](bool) {},
             .failure = [](const error&) {},
             .elsewhere = {}});
    }
    template <class Task>
    auto on_thread(Task task)
    {
        std::packaged_task<std::invoke_result_t<Task>()> job(std::move(task));
        auto done = job.get_future();
        server->post(0, [job = std::move(job)]() mutable { job(); });
        return done.get();
    }
    std::shared_ptr<log::command> ending() const
    {
        auto out = std::make_shared<projections::set_session_active>();
        out->who.account = account_id{{1}};
        out->session = session_id{{2}};
        return out;
    }

    unreadable_log full{*events};
};

// Goal: whoever counts on a command hears how it ended, also when the client that sent it has gone before the log had
// room for it: presence would believe for ever what was never written.
TEST_F(connection_test, what_a_client_that_has_gone_left_behind_is_answered)
{
    quiet_socket carrier(server->executor(0));
    std::vector<errc> heard;
    const auto client = on_thread(
        [&]
        {
            return std::make_shared<connection>(
                *shared, 7, carrier, projections::principal{.account = account_id{{1}}, .device = {}, .kind = {}},
                protocol::v1::handshake_request{},
                follower(audience::user(), {}, false, false, {.queue_bytes_max = 1u << 20, .mark_every = 1000}));
        });
    full.full = true;
    on_thread(
        [&]
        {
            for (int i = 0; i < 3; ++i)
                EXPECT_TRUE(client->submit(
                    ending(), [&](const log::outcome& ended) { heard.push_back(ended.committed.error().code); }));
            EXPECT_EQ(carrier.pauses, 1) << "nothing more is read from it";
            client->gone();
        });
    EXPECT_EQ(heard, std::vector<errc>(3, errc::closed));
}

// Goal: a log that cannot be read gives nobody the narrower view. Method: the machine is registered, its row can be
// read no more when its client has signed in. As if it were unknown it would never hear of its own machine again.
TEST_F(connection_test, a_client_whose_view_cannot_be_read_is_sent_away_to_dial_again)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const boost::json::object machine{{"id", "laptop"}, {"metadata", base64_encode(random_array<30>())}};
    ASSERT_EQ(post("/v1/machines", machine, agent.token).status, 200u);
    quiet_socket carrier(server->executor(0));
    std::optional<connect_answer> answer;
    asio::co_spawn(
        context,
        rules->on_connect(carrier, {{"token", agent.token}, {"clientType", "machine-scoped"}, {"machineId", "laptop"}}),
        [&](std::exception_ptr, connect_answer got) { answer = std::move(got); });
    context.restart();
    context.run();
    ASSERT_TRUE(answer && *answer);
    reads->bodies_broken = true;
    on_thread([&] { (**answer)->on_connected(); });
    EXPECT_EQ(carrier.closings, 1);
    on_thread([&] { (**answer)->on_disconnect("over"); });
    EXPECT_EQ(commits.member_count(owner.account), 0u);
}

// Goal: what the log cannot tell is said as that: not as a session that is not there.
TEST_F(connection_test, an_unreadable_log_is_no_missing_session)
{
    const auto owner = arrive();
    const auto agent = arrive_again(owner, "agent");
    const auto session = *parse_uuid<session_id>(open_session(agent));
    quiet_socket carrier(server->executor(0));
    const auto holder = tokens->verify(agent.token);
    ASSERT_TRUE(holder);
    reads->rows_broken = true;
    const auto reached = on_thread(
        [&]
        {
            connection client(
                *shared, 7, carrier, holder->who, protocol::v1::handshake_request{},
                follower(audience::user(), {}, false, false, {.queue_bytes_max = 1u << 20, .mark_every = 1000}));
            return client.reaches(session);
        });
    ASSERT_FALSE(reached);
    EXPECT_EQ(reached.error(), errc::io);
    const auto maker = projections::find_maker(*reads->read(), owner.account, session.as<stream_id>());
    ASSERT_FALSE(maker);
    EXPECT_EQ(maker.error(), errc::io);
    reads->rows_broken = false;
    EXPECT_EQ(
        projections::find_maker(*reads->read(), owner.account, session.as<stream_id>()).value(), holder->who.device);
}

// Goal: nobody is told that his token is not good because the disk is not.
TEST_F(connection_test, an_unreadable_log_is_no_invalid_token)
{
    const auto owner = arrive();
    auto body = signed_challenge(owner.key, owner.key);
    ASSERT_EQ(get("/v1/devices", owner.token).status, 200u); // the token is remembered
    reads->rows_broken = true;
    const auto got = ask("DELETE", "/v1/account", owner.token, boost::json::serialize(body));
    EXPECT_GE(got.status, 500u) << got.text;
    EXPECT_NE(got.code(), "unauthorized");
}

} // namespace
} // namespace consortium::relay
