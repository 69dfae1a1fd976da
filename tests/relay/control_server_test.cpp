#include "control_server.hpp"
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <semaphore>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A peer that blocks.
class peer
{
public:
    explicit peer(const fs::path& socket) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        socket.native().copy(address.sun_path, sizeof address.sun_path - 1);
        connected = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~peer() { ::close(fd_); }
    peer(const peer&) = delete;

    void send(std::string_view text) const
    {
        while (!text.empty())
        {
            const auto size = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (size <= 0)
                return; // the other side has heard enough
            text.remove_prefix(static_cast<std::size_t>(size));
        }
    }
    /// Up to the next newline; what came before the end if there is none.
    std::string line() const
    {
        std::string out;
        for (char byte = 0; ::recv(fd_, &byte, 1, 0) == 1 && byte != '\n';)
            out.push_back(byte);
        return out;
    }
    boost::json::object ask(std::string_view text) const
    {
        send(std::string(text) + "\n");
        return boost::json::parse(line()).as_object();
    }

    bool connected = false;

private:
    int fd_;
};

class control_server_test : public ::testing::Test
{
protected:
    void SetUp() override
    {
        auto name = (fs::temp_directory_path() / "consortium-control-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        place_ = name;
    }
    void TearDown() override
    {
        server_.reset();
        fs::remove_all(place_);
    }
    control_server::settings settings() const { return {.socket = place_ / "control.sock"}; }
    void listen(const control_server::settings& wanted)
    {
        auto made = control_server::listen(
            wanted, {{"echo", [](const boost::json::object& asked) -> result<boost::json::object>
                      { return boost::json::object{{"said", asked.at("say")}}; }},
                     {"refuse", [](const boost::json::object&) -> result<boost::json::object>
                      { return fail(errc::conflict, "no"); }},
                     {"throw", [](const boost::json::object&) -> result<boost::json::object>
                      { throw std::runtime_error("a bug"); }},
                     {"wait", [this](const boost::json::object&) -> result<boost::json::object>
                      {
                          entered_.release();
                          go_on_.acquire();
                          return boost::json::object{};
                      }}});
        ASSERT_TRUE(made) << made.error().detail;
        server_ = std::move(*made);
    }

    fs::path place_;
    std::unique_ptr<control_server> server_;
    std::counting_semaphore<> entered_{0};
    std::counting_semaphore<> go_on_{0};
};

TEST_F(control_server_test, answers_each_line)
{
    listen(settings());
    const peer client(settings().socket);
    EXPECT_EQ(client.ask(R"({"command":"echo","say":"a"})"), (boost::json::object{{"ok", true}, {"said", "a"}}));
    EXPECT_EQ(
        client.ask(R"({"command":"refuse"})"),
        (boost::json::object{{"ok", false}, {"error", "no"}, {"code", "conflict"}}));
    EXPECT_EQ(client.ask(R"({"command":"throw"})").at("code"), "internal");
    for (const auto* wrong : {"", "x", "[]", "{}", R"({"command":1})", R"({"command":"unknown"})", R"({"command":)"})
        EXPECT_EQ(client.ask(wrong).at("code"), "bad-request") << wrong;
    client.send("{\"command\":\"echo\",\"say\":1}\n{\"command\":\"echo\",\"say\":2}\n");
    EXPECT_EQ(boost::json::parse(client.line()).at("said"), 1);
    EXPECT_EQ(boost::json::parse(client.line()).at("said"), 2);
}

TEST_F(control_server_test, is_for_its_owner_alone_whatever_the_umask)
{
    const auto before = ::umask(0);
    listen(settings());
    ::umask(before);
    EXPECT_EQ(fs::status(settings().socket).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(control_server_test, replaces_a_socket_that_was_left_and_removes_its_own)
{
    listen(settings());
    server_->stop();
    EXPECT_FALSE(fs::exists(settings().socket));
    const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    settings().socket.native().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(left);
    listen(settings());
    EXPECT_EQ(peer(settings().socket).ask(R"({"command":"echo","say":"a"})").at("ok"), true);
}

TEST_F(control_server_test, removes_nothing_but_sockets)
{
    std::ofstream(settings().socket) << "precious";
    EXPECT_EQ(control_server::listen(settings(), {}).error(), errc::io);
    EXPECT_TRUE(fs::is_regular_file(settings().socket));
}

TEST_F(control_server_test, says_that_a_path_is_too_long)
{
    auto wanted = settings();
    wanted.socket = place_ / std::string(120, 'x');
    EXPECT_EQ(control_server::listen(wanted, {}).error(), errc::too_large);
}

TEST_F(control_server_test, bounds_lines_clients_and_patience)
{
    auto wanted = settings();
    wanted.line_bytes_max = 1000;
    wanted.clients_max = 2;
    wanted.patience = 50ms;
    listen(wanted);
    {
        const peer talker(wanted.socket);
        talker.send(std::string(5000, 'x'));
        EXPECT_EQ(boost::json::parse(talker.line()).at("code"), "too-large");
        EXPECT_EQ(talker.line(), "") << "let go";
    }
    const peer silent(wanted.socket);
    EXPECT_EQ(silent.line(), "") << "let go";

    wanted.patience = 10s;
    server_.reset();
    listen(wanted);
    const peer one(wanted.socket);
    const peer two(wanted.socket);
    EXPECT_EQ(one.ask(R"({"command":"echo","say":1})").at("ok"), true);
    EXPECT_EQ(two.ask(R"({"command":"echo","say":1})").at("ok"), true);
    const peer three(wanted.socket);
    EXPECT_EQ(three.line(), "");
}

// Goal: a slow command holds up neither other connections nor its own answer when the relay stops.
TEST_F(control_server_test, completes_a_slow_command_before_it_stops)
{
    listen(settings());
    const peer slow(settings().socket);
    const peer idle(settings().socket);
    slow.send("{\"command\":\"wait\"}\n");
    entered_.acquire();
    EXPECT_EQ(idle.ask(R"({"command":"unknown"})").at("code"), "bad-request");
    std::atomic<bool> stopped = false;
    std::thread stopping(
        [&]
        {
            server_->stop();
            stopped = true;
        });
    EXPECT_EQ(idle.line(), "") << "let go";
    EXPECT_FALSE(stopped);
    go_on_.release();
    EXPECT_EQ(boost::json::parse(slow.line()).at("ok"), true);
    stopping.join();
    EXPECT_FALSE(peer(settings().socket).connected);
}

} // namespace
} // namespace consortium::relay
