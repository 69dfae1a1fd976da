// A program at a seat cannot tell it from a terminal, and neither can the person. The person's terminal is a PTY too:
// what the person types is written to its other side, what the person sees is read there.
#include "agent/fresh_directory.hpp"
#include "agent/run.hpp"
#include "terminal/pty_seat.hpp"
#include <array>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <random>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

/// A terminal with somebody in front of it.
class persons_terminal
{
public:
    explicit persons_terminal(asio::io_context& io) : glass_(io)
    {
        const int ours = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        ::grantpt(ours);
        ::unlockpt(ours);
        inside_ = ::open(::ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
        glass_.assign(ours);
        glass_.non_blocking(true);
        resize(90, 30);
        look();
    }
    ~persons_terminal() { unplug(); }

    int inside() const { return inside_; }
    const std::string& seen() const { return seen_; }
    bool sees(const std::string& text) const { return seen_.find(text) != std::string::npos; }
    void forget() { seen_.clear(); }
    void resize(unsigned short columns, unsigned short rows)
    {
        const winsize size{rows, columns, static_cast<unsigned short>(columns * 8), 0};
        ::ioctl(inside_, TIOCSWINSZ, &size);
    }
    /// Small texts only.
    void type(std::string_view text)
    {
        ASSERT_EQ(::write(glass_.native_handle(), text.data(), text.size()), text.size());
    }
    asio::awaitable<bool> type_all(std::string text)
    {
        std::mt19937 random(static_cast<unsigned>(text.size()));
        for (std::size_t at = 0; at < text.size();)
        {
            const auto size = std::min<std::size_t>(text.size() - at, 1 + random() % 3000);
            co_await asio::async_write(glass_, asio::buffer(text.data() + at, size), asio::use_awaitable);
            at += size;
        }
        co_return true;
    }
    termios mode() const
    {
        termios out{};
        ::tcgetattr(inside_, &out);
        return out;
    }
    /// Closed, as by its window.
    void unplug()
    {
        if (inside_ < 0)
            return;
        ::close(std::exchange(inside_, -1));
        boost::system::error_code ignored;
        glass_.close(ignored);
    }
    void look_away() { looking_ = false; }
    void look()
    {
        looking_ = true;
        read();
    }

private:
    void read()
    {
        glass_.async_read_some(
            asio::buffer(room_),
            [this](const boost::system::error_code& problem, std::size_t size)
            {
                if (problem)
                    return;
                seen_.append(room_.data(), size);
                if (looking_)
                    read();
            });
    }

    asio::posix::stream_descriptor glass_;
    int inside_ = -1;
    bool looking_ = true;
    std::array<char, 4096> room_{};
    std::string seen_;
};

bool same(const termios& left, const termios& right)
{
    return left.c_iflag == right.c_iflag && left.c_oflag == right.c_oflag && left.c_cflag == right.c_cflag &&
           left.c_lflag == right.c_lflag;
}

class seat_at_a_terminal : public ::testing::Test
{
protected:
    void start(std::vector<std::string> arguments)
    {
        const auto started = place->start({AT_TERMINAL, std::move(arguments), {"TERM=xterm"}, "/", {}});
        ASSERT_TRUE(started) << started.error().detail;
    }
    void SetUp() override
    {
        place->on_lost([this] { ++losses; });
    }
    void until(const std::function<bool()>& reached)
    {
        ASSERT_TRUE(run_until(io, reached)) << "seen: " << terminal.seen().substr(0, 2000);
    }
    void until_seen(const std::string& text)
    {
        until([&] { return terminal.sees(text); });
    }
    child_exit end() { return run(io, place->ended()); }
    result<void> type(std::string text)
    {
        // awaitable<result<void>> as a value
        std::optional<result<void>> out;
        asio::co_spawn(
            io, place->type(std::move(text)),
            [&](const std::exception_ptr&, result<void> said) { out = std::move(said); });
        EXPECT_TRUE(run_until(io, [&] { return out.has_value(); }));
        return out.value_or(fail(errc::internal, "no answer"));
    }

    asio::io_context io;
    persons_terminal terminal{io};
    const termios found = terminal.mode();
    int losses = 0;
    std::vector<bool> taken;
    std::shared_ptr<pty_seat> place = pty_seat::make(
        io.get_executor(), {terminal.inside(), terminal.inside(), "[Pasted text #",
                            [this](bool by_program) { taken.push_back(by_program); }});
};

// Goal: random bytes, cut anywhere, arrive unchanged and in order in both directions, while the window changes.
TEST_F(seat_at_a_terminal, every_byte_passes_in_both_directions)
{
    start({"echo"});
    until_seen("ready");
    for (const unsigned seed : {1u, 2u, 3u, 4u})
    {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        terminal.forget();
        std::string typed(20'000 + random() % 200'000, ' ');
        for (auto& each : typed)
            each = static_cast<char>(random());
        bool all = false;
        asio::co_spawn(io, terminal.type_all(typed), [&](const std::exception_ptr&, bool) { all = true; });
        until(
            [&]
            {
                if (random() % 8 == 0)
                {
                    terminal.resize(static_cast<unsigned short>(20 + random() % 200), 30);
                    ::raise(SIGWINCH);
                }
                return all && terminal.seen().size() >= typed.size();
            });
        EXPECT_TRUE(terminal.seen() == typed);
    }
    place->close();
    EXPECT_EQ(end().signal, SIGTERM);
}

// Goal: what a program wrote just before its end stands on the terminal when the end is told, however slow that is.
TEST_F(seat_at_a_terminal, the_last_byte_is_shown_before_the_end_is_told)
{
    for (const unsigned seed : {1u, 2u, 3u})
    {
        const std::size_t bytes = 300'000 + seed;
        terminal.forget();
        start({"pour", std::to_string(bytes), std::to_string(seed)});
        const auto ended = end();
        EXPECT_EQ(ended.code, 7);
        // What is in the terminal itself still comes through its glass.
        until([&] { return terminal.seen().size() >= bytes; });
        std::mt19937 random(seed);
        std::string wanted;
        while (wanted.size() < bytes)
        {
            std::string piece(std::min<std::size_t>(bytes - wanted.size(), 1 + random() % 5000), ' ');
            for (auto& each : piece)
                each = static_cast<char>(random());
            wanted += piece;
        }
        EXPECT_TRUE(terminal.seen() == wanted);
    }
}

// Goal: a terminal that takes nothing holds the program up; nothing is piled up meanwhile.
TEST_F(seat_at_a_terminal, a_slow_terminal_holds_the_program_up)
{
    start({"shout"});
    until([&] { return terminal.seen().size() > 100'000; });
    terminal.look_away();
    const auto written = [&]
    {
        std::ifstream file("/proc/" + std::to_string(place->pid()) + "/io");
        std::string name;
        std::size_t value = 0;
        while (file >> name >> value)
        {
            if (name == "wchar:")
                return value;
        }
        return value;
    };
    // It waits once the same was written for half a second.
    std::size_t last = 0;
    auto since = std::chrono::steady_clock::now();
    until(
        [&]
        {
            if (const auto now = written(); now != last)
            {
                last = now;
                since = std::chrono::steady_clock::now();
            }
            return std::chrono::steady_clock::now() - since > std::chrono::milliseconds(500);
        });
    EXPECT_LT(last - terminal.seen().size(), 1u << 20);
    place->kill();
    terminal.look();
    EXPECT_EQ(end().signal, SIGKILL);
}

TEST_F(seat_at_a_terminal, the_program_has_the_size_of_the_terminal_and_hears_of_each_change)
{
    start({"size"});
    until_seen("size 90x30 of 720");
    terminal.resize(101, 41);
    ::raise(SIGWINCH);
    until_seen("size 101x41 of 808");
    place->close();
    end();
}

// Goal: a program that never heard of raw mode has its lines, its echo and its Ctrl-C.
TEST_F(seat_at_a_terminal, lines_echo_and_interrupt_are_the_programs_terminals)
{
    start({"line"});
    until_seen("ready\r\n");
    terminal.type("hellp\177o\r");
    until_seen("got hello\r\n");
    EXPECT_TRUE(terminal.sees("hellp\b \bo\r\n")) << "its own echo";
    terminal.type("half\x03");
    const auto ended = end();
    EXPECT_EQ(ended.signal, SIGINT);
}

TEST_F(seat_at_a_terminal, how_the_program_ended_is_told_and_the_terminal_is_as_it_was)
{
    start({"line"});
    EXPECT_FALSE(same(terminal.mode(), found));
    until_seen("ready");
    terminal.type("exit 5\r");
    EXPECT_EQ(end().code, 5);
    EXPECT_TRUE(same(terminal.mode(), found));
    start({"line"});
    terminal.forget();
    until_seen("ready");
    terminal.type("kill 15\r");
    EXPECT_EQ(end().signal, SIGTERM);
    EXPECT_TRUE(same(terminal.mode(), found));
    EXPECT_EQ(taken, (std::vector<bool>{true, true}));
    EXPECT_EQ(run(io, place->ended()).signal, SIGTERM) << "as often as it is asked";
}

TEST_F(seat_at_a_terminal, a_program_that_is_not_there_leaves_the_terminal_alone)
{
    const auto started = place->start({"/no/such/program", {}, {}, "/", {}});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error(), errc::not_found);
    const auto refused =
        place->start({AT_TERMINAL, {"line"}, {}, "/", [](const process_identity&) { return fail(errc::io, "no"); }});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "no");
    EXPECT_TRUE(same(terminal.mode(), found));
}

// Goal: what is remembered about the program is the program itself, not who leads its terminal's session.
TEST_F(seat_at_a_terminal, it_is_remembered_before_it_begins)
{
    process_identity remembered;
    ASSERT_TRUE(place->start(
        {AT_TERMINAL,
         {"line"},
         {},
         "/",
         [&](const process_identity& child)
         {
             remembered = child;
             return result<void>{};
         }}));
    EXPECT_EQ(remembered.pid, place->pid());
    until_seen("ready");
    EXPECT_TRUE(is_running(remembered));
    place->kill();
    end();
    EXPECT_FALSE(is_running(remembered));
}

// Goal: a program that was killed leaves no mouse reports and no second screen behind.
TEST_F(seat_at_a_terminal, what_a_killed_program_turned_on_is_turned_off)
{
    start({"leave"});
    EXPECT_EQ(end().signal, SIGKILL);
    until_seen("\033[?25h");
    for (const auto* each : {"\033[?1049l", "\033[?2004l", "\033[?1003l", "\033[<u"})
        EXPECT_TRUE(terminal.sees(each)) << each + 1;
}

TEST_F(seat_at_a_terminal, a_lost_terminal_is_told_to_the_program_and_to_us)
{
    const fresh_directory place_of_file;
    const auto file = (place_of_file.path() / "told").string();
    start({"hangup", file});
    until_seen("ready");
    terminal.unplug();
    end();
    std::ifstream told(file);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(told), {}), "hung up");
    until([&] { return losses == 1; });
}

// Goal: without somebody who looks the program can still end.
TEST_F(seat_at_a_terminal, a_program_that_prints_to_a_lost_terminal_is_not_held_up)
{
    start({"shout"});
    until([&] { return terminal.seen().size() > 100'000; });
    terminal.unplug();
    until([&] { return losses == 1; });
    end();
}

TEST_F(seat_at_a_terminal, a_prompt_is_typed_as_a_paste_and_sent)
{
    start({"box"});
    until_seen("\xe2\x9d\xaf");
    ASSERT_TRUE(type("first line\nsecond \033[201~line\x03\r\n"));
    until_seen("sent <27|first line\nsecond [201~line>");
    EXPECT_FALSE(place->has_draft());
    ASSERT_TRUE(type(std::string(5000, 'x')));
    until_seen("sent <5000|");
    ASSERT_TRUE(type("\xe4\xbd\xa0\xe5\xa5\xbd, emoji \xf0\x9f\x98\x80 too"));
    until_seen("too>");
}

// Goal: where a list or a dialog stands instead of the input, Enter is never pressed: it would be an answer.
TEST_F(seat_at_a_terminal, nothing_is_chosen_where_a_prompt_cannot_be_typed)
{
    start({"box"});
    until_seen("\xe2\x9d\xaf");
    terminal.type("\x10");
    until_seen("> a list");
    place->draft_taken(); // the key was none in this program
    EXPECT_EQ(type("go on").error(), errc::unavailable);
    EXPECT_FALSE(terminal.sees("chosen"));
    place->escape();
    terminal.forget();
    until_seen("\xe2\x9d\xaf");
    ASSERT_TRUE(type("go on"));
    until_seen("sent <5|go on>");
}

TEST_F(seat_at_a_terminal, a_draft_is_left_alone)
{
    int changes = 0;
    place->on_draft([&] { ++changes; });
    start({"box"});
    until_seen("\xe2\x9d\xaf");
    terminal.type("my own");
    until_seen("my own");
    EXPECT_TRUE(place->has_draft());
    EXPECT_EQ(type("the browser's").error(), errc::conflict);
    place->draft_taken();
    EXPECT_EQ(type("the browser's").error(), errc::conflict) << "it stands there for everybody to see";
    terminal.type("!\r");
    until_seen("sent <7|my own!>");
    until([&] { return !place->has_draft(); });
    EXPECT_GE(changes, 1);
    ASSERT_TRUE(type("the browser's"));
    until_seen("sent <13|the browser's>");
}

// Goal: keys of the person that come while a prompt is typed come after it.
TEST_F(seat_at_a_terminal, no_key_gets_into_a_prompt)
{
    start({"box"});
    until_seen("\xe2\x9d\xaf");
    std::optional<result<void>> typed;
    asio::co_spawn(
        io, place->type(std::string(3000, 'p')),
        [&](const std::exception_ptr&, result<void> said) { typed = std::move(said); });
    terminal.type("kk\r");
    until_seen("sent <2|kk>");
    ASSERT_TRUE(typed);
    if (*typed) // its turn came first
        EXPECT_TRUE(terminal.sees("sent <3000|" + std::string(3000, 'p') + ">"));
    else
        EXPECT_EQ(typed->error(), errc::conflict);
}

TEST_F(seat_at_a_terminal, a_program_that_ended_takes_no_prompt)
{
    EXPECT_EQ(type("nobody").error(), errc::closed);
    start({"box"});
    until_seen("\xe2\x9d\xaf");
    std::optional<result<void>> typed;
    terminal.type("\x10");
    until_seen("> a list");
    place->draft_taken();
    asio::co_spawn(
        io, place->type("waits"), [&](const std::exception_ptr&, result<void> said) { typed = std::move(said); });
    place->kill();
    until([&] { return typed.has_value(); });
    EXPECT_EQ(typed->error(), errc::closed);
    end();
}

TEST_F(seat_at_a_terminal, any_key_takes_the_terminal_back_from_the_view)
{
    start({"line"});
    until_seen("ready");
    terminal.type("exit 0\r");
    end();
    int keys = 0;
    terminal.forget();
    place->open_view("The browser is in control", [&] { ++keys; });
    until_seen("The browser is in control");
    EXPECT_TRUE(terminal.sees("\033[?1049h"));
    EXPECT_EQ(taken, (std::vector<bool>{true, false}));
    EXPECT_EQ(terminal.mode().c_lflag & (ICANON | ECHO | ISIG), 0u);
    terminal.type("\033[I\033[<35;10;10M\033]11;rgb:0/0/0\033\\\033[?1;2c"); // says the terminal by itself
    terminal.resize(120, 40);
    ::raise(SIGWINCH);
    until_seen("\033[2;40r");
    EXPECT_EQ(keys, 0);
    terminal.type("\x03");
    until([&] { return keys == 1; });
    start({"line"}); // closes it
    until_seen("\033[?1049l");
    terminal.forget();
    until_seen("ready");
    terminal.type("still\r");
    until_seen("got still");
    EXPECT_EQ(keys, 1);
    terminal.type("exit 0\r");
    end();
    EXPECT_TRUE(same(terminal.mode(), found));
}

// Goal: a seat that goes away while its program runs leaves neither the program nor the mode behind.
TEST_F(seat_at_a_terminal, the_terminal_is_set_right_when_all_is_thrown_away)
{
    auto executor = std::make_unique<asio::io_context>();
    auto other = pty_seat::make(executor->get_executor(), {terminal.inside(), terminal.inside(), {}, {}});
    ASSERT_TRUE(other->start({AT_TERMINAL, {"box"}, {}, "/", {}}));
    ASSERT_TRUE(run_until(
        *executor,
        [&]
        {
            io.poll();
            return terminal.sees("\xe2\x9d\xaf");
        }));
    const auto program = identify_process(other->pid());
    ASSERT_TRUE(program);
    EXPECT_FALSE(same(terminal.mode(), found));
    other.reset();
    executor.reset(); // as when an exception ends the program: with all that waits there
    EXPECT_TRUE(same(terminal.mode(), found));
    EXPECT_FALSE(is_running(*program));
    until_seen("\033[?1049l");
}

/// A shell with one job, on a terminal of its own: what happens to the job is written down.
class shell
{
public:
    shell(const std::string& terminal, std::vector<std::string> command)
    {
        std::array<int, 2> told{};
        EXPECT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
        pid_ = ::fork();
        if (pid_ == 0)
            be(terminal, std::move(command), told[1]);
        ::close(told[1]);
        told_ = told[0];
    }
    ~shell()
    {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(told_);
    }
    /// "job 123", "stopped", "exit 3", "signal 9".
    std::string next(asio::io_context& io)
    {
        std::string out;
        EXPECT_TRUE(run_until(
            io,
            [&]
            {
                pollfd ready{told_, POLLIN, 0};
                char each = 0;
                while (::poll(&ready, 1, 5) == 1 && ::read(told_, &each, 1) == 1)
                {
                    if (each == '\n')
                        return true;
                    out += each;
                }
                return false;
            }));
        return out;
    }
    void foreground() const { ::kill(pid_, SIGUSR1); }

private:
    [[noreturn]] static void be(const std::string& terminal, std::vector<std::string> command, int tell)
    {
        ::signal(SIGTTOU, SIG_IGN);
        sigset_t go;
        sigemptyset(&go);
        sigaddset(&go, SIGUSR1);
        ::sigprocmask(SIG_BLOCK, &go, nullptr);
        ::setsid();
        const int inside = ::open(terminal.c_str(), O_RDWR);
        ::ioctl(inside, TIOCSCTTY, 0);
        const pid_t job = ::fork();
        if (job == 0)
        {
            ::setpgid(0, 0);
            ::tcsetpgrp(inside, ::getpid());
            ::signal(SIGTTOU, SIG_DFL);
            ::sigprocmask(SIG_UNBLOCK, &go, nullptr);
            for (const int each : {0, 1, 2})
                ::dup2(inside, each);
            std::vector<char*> words;
            for (auto& each : command)
                words.push_back(each.data());
            words.push_back(nullptr);
            ::execv(words[0], words.data());
            ::_exit(126);
        }
        ::setpgid(job, job);
        ::dprintf(tell, "job %d\n", job);
        for (;;)
        {
            int status = 0;
            ::waitpid(job, &status, WUNTRACED);
            if (WIFSTOPPED(status))
            {
                ::tcsetpgrp(inside, ::getpid());
                ::dprintf(tell, "stopped\n");
                int number = 0;
                ::sigwait(&go, &number);
                ::tcsetpgrp(inside, job);
                ::kill(-job, SIGCONT);
            }
            else
            {
                ::dprintf(
                    tell, WIFEXITED(status) ? "exit %d\n" : "signal %d\n",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
                for (;;)
                    ::pause();
            }
        }
    }

    pid_t pid_ = -1;
    int told_ = -1;
};

class job_of_a_shell : public ::testing::Test
{
protected:
    void until_seen(const std::string& text)
    {
        ASSERT_TRUE(run_until(io, [&] { return terminal->sees(text); })) << terminal->seen();
    }
    void begin(std::vector<std::string> command)
    {
        job.reset();
        terminal.emplace(io); // the end of a shell hangs its terminal up
        found = terminal->mode();
        command.insert(command.begin(), SEATED);
        job.emplace(::ttyname(terminal->inside()), std::move(command));
        pid = std::atoi(job->next(io).substr(4).c_str());
        ASSERT_GT(pid, 0);
    }

    asio::io_context io;
    std::optional<persons_terminal> terminal;
    termios found{};
    std::optional<shell> job;
    pid_t pid = 0;
};

// Goal: Ctrl-Z suspends the program, and us with it; `fg` brings back both.
TEST_F(job_of_a_shell, is_suspended_by_its_program_and_comes_back)
{
    begin({AT_TERMINAL, "suspend"});
    until_seen("ready");
    for (int round = 0; round < 3; ++round)
    {
        SCOPED_TRACE(round);
        terminal->forget();
        terminal->type("\x1a");
        EXPECT_EQ(job->next(io), "stopped");
        until_seen("suspended");
        EXPECT_TRUE(same(terminal->mode(), found)) << "the shell gets its terminal back";
        terminal->resize(static_cast<unsigned short>(100 + round), 33);
        job->foreground();
        until_seen("back");
        terminal->type("a");
        until_seen("key a;");
        EXPECT_FALSE(same(terminal->mode(), found));
    }
    terminal->type("q");
    EXPECT_EQ(job->next(io), "exit 3");
    EXPECT_TRUE(same(terminal->mode(), found));
}

TEST_F(job_of_a_shell, is_suspended_from_outside)
{
    begin({AT_TERMINAL, "line"});
    until_seen("ready");
    ::kill(pid, SIGTSTP);
    EXPECT_EQ(job->next(io), "stopped");
    job->foreground();
    terminal->type("hello\r");
    until_seen("got hello");
}

TEST_F(job_of_a_shell, ends_as_it_is_asked_to_by_signals)
{
    for (const int number : {SIGTERM, SIGINT, SIGHUP})
    {
        SCOPED_TRACE(number);
        begin({AT_TERMINAL, "line"});
        until_seen("ready");
        ::kill(pid, number);
        EXPECT_EQ(job->next(io), "exit " + std::to_string(128 + SIGTERM));
        EXPECT_TRUE(same(terminal->mode(), found));
    }
}

// Goal: a fault of ours leaves no raw terminal behind, no mouse reports and no program.
TEST_F(job_of_a_shell, leaves_the_terminal_as_it_was_when_it_crashes)
{
    for (const int number : {SIGSEGV, SIGABRT, SIGQUIT})
    {
        SCOPED_TRACE(number);
        begin({AT_TERMINAL, "box"});
        until_seen("\xe2\x9d\xaf");
        terminal->type("x"); // what it answers was seen by us before we read this
        until_seen("x");
        ::kill(pid, number);
        const auto ended = job->next(io);
        EXPECT_EQ(ended, "signal " + std::to_string(number));
        EXPECT_TRUE(same(terminal->mode(), found));
        until_seen("\033[?1049l");
        EXPECT_TRUE(terminal->sees("\033[?2004l"));
    }
}

} // namespace
