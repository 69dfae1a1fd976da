// What a seat adds to a program at a terminal: the time of a keystroke that the program answers, the time until it
// begins, and how fast it can print. Each is taken without and with the seat by turns, in one run.
//   bench_terminal [KEYSTROKES] [STARTS]
#include "terminal/pty_seat.hpp"
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace consortium::agent;
using steady = std::chrono::steady_clock;
using microseconds = std::chrono::duration<double, std::micro>;

namespace
{

constexpr std::size_t printed_bytes = 64u << 20;

/// The program: "r" when it has begun, then each byte comes back; "p" prints much.
int be_program()
{
    termios mode{};
    ::tcgetattr(STDIN_FILENO, &mode);
    ::cfmakeraw(&mode);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    (void)!::write(STDOUT_FILENO, "r", 1);
    const std::string much(64u << 10, 'x');
    char key = 0;
    while (::read(STDIN_FILENO, &key, 1) == 1)
    {
        if (key != 'p')
            (void)!::write(STDOUT_FILENO, &key, 1);
        for (std::size_t left = key == 'p' ? printed_bytes : 0; left > 0;)
            left -= static_cast<std::size_t>(
                std::max<ssize_t>(0, ::write(STDOUT_FILENO, much.data(), std::min(left, much.size()))));
    }
    return 0;
}

int be_seat(const char* program)
{
    asio::io_context io;
    const auto place = pty_seat::make(io.get_executor(), {});
    if (!place->start({program, {"--program"}, {}, "/", {}}))
        return 1;
    asio::co_spawn(io, place->ended(), [&](const std::exception_ptr&, const child_exit&) { io.stop(); });
    io.run();
    return 0;
}

/// A terminal in which one of the two runs.
class terminal
{
public:
    terminal(const char* self, const char* role) : glass_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC))
    {
        ::grantpt(glass_);
        ::unlockpt(glass_);
        const std::string name = ::ptsname(glass_);
        began_ = steady::now();
        pid_ = ::fork();
        if (pid_ == 0)
        {
            ::setsid();
            const int inside = ::open(name.c_str(), O_RDWR);
            for (const int each : {0, 1, 2})
                ::dup2(inside, each);
            ::execl(self, self, role, nullptr);
            ::_exit(1);
        }
        expect(1);
        began_in_ = steady::now() - began_;
    }
    ~terminal()
    {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(glass_);
    }
    microseconds began_in() const { return began_in_; }
    microseconds keystroke()
    {
        const auto begun = steady::now();
        (void)!::write(glass_, "k", 1);
        expect(1);
        return steady::now() - begun;
    }
    double print_rate()
    {
        const auto begun = steady::now();
        (void)!::write(glass_, "p", 1);
        expect(printed_bytes);
        return static_cast<double>(printed_bytes) / microseconds(steady::now() - begun).count();
    }

private:
    void expect(std::size_t bytes)
    {
        std::vector<char> room(64u << 10);
        while (bytes > 0)
        {
            const auto size = ::read(glass_, room.data(), std::min(bytes, room.size()));
            if (size > 0)
                bytes -= static_cast<std::size_t>(size);
            else if (errno != EIO || steady::now() - began_ > std::chrono::seconds(10)) // EIO: not opened there yet
            {
                std::perror("the program in the terminal has ended");
                std::exit(1);
            }
        }
    }

    int glass_;
    pid_t pid_ = -1;
    steady::time_point began_;
    microseconds began_in_{};
};

double at(std::vector<double>& values, double share)
{
    std::ranges::sort(values);
    return values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * share))];
}

void compare(const char* what, std::vector<double> direct, std::vector<double> seated)
{
    for (const double share : {0.5, 0.99})
    {
        const auto left = at(direct, share);
        const auto right = at(seated, share);
        std::printf(
            "%-10s %4.0f%%   direct %9.1f us   with a seat %9.1f us   %5.2f times, %+.1f us\n", what, share * 100, left,
            right, right / left, right - left);
    }
}

} // namespace

int main(int count, char** values)
{
    const std::string role = count > 1 ? values[1] : "";
    if (role == "--program")
        return be_program();
    const std::string self = std::filesystem::canonical("/proc/self/exe").string();
    if (role == "--seat")
        return be_seat(self.c_str());
    const int keystrokes = count > 1 ? std::atoi(values[1]) : 5000;
    const int starts = count > 2 ? std::atoi(values[2]) : 50;

    terminal direct(self.c_str(), "--program");
    terminal seated(self.c_str(), "--seat");
    std::vector<double> left;
    std::vector<double> right;
    for (int each = 0; each < keystrokes; ++each)
    {
        ::usleep(1000); // nobody types faster, and both sides sleep in between
        // By turns which goes first: the second finds everything awake.
        if (each % 2 == 0)
            left.push_back(direct.keystroke().count());
        right.push_back(seated.keystroke().count());
        if (each % 2 == 1)
            left.push_back(direct.keystroke().count());
    }
    compare("keystroke", left, right);
    left.clear();
    right.clear();
    for (int each = 0; each < starts; ++each)
    {
        left.push_back(terminal(self.c_str(), "--program").began_in().count());
        right.push_back(terminal(self.c_str(), "--seat").began_in().count());
    }
    compare("start", left, right);
    const auto without = direct.print_rate();
    const auto with = seated.print_rate();
    std::printf(
        "printing         direct %9.0f MB/s   with a seat %9.0f MB/s   %5.2f times\n", without, with, with / without);
}
