// Programs at a terminal, for the tests of what is between it and them. The first argument says which:
//   echo            raw; "ready", then whatever comes is sent back, until its input is closed
//   pour BYTES SEED raw; so many bytes, the same for the same seed; then it exits with 7
//   shout           as pour, for ever
//   size            prints the size now and whenever it changes
//   line            a line at a time, as new terminals are: prints "got LINE"; exits at "exit N", ends itself at "kill
//   N" suspend         as programs with a screen of their own do at Ctrl-Z; prints "back" when continued deaf prints
//   "deaf" and reads nothing hangup          says "hung up" into the file named behind it when SIGHUP comes box an
//   input as Claude Code's: an alternate screen, pastes, a cursor in the input; Enter prints what was
//                   sent. Ctrl-P opens a list that takes no text and in which Enter prints "chosen"; Escape closes it
//   leave           turns on what programs turn on, and is killed
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace
{

void put(const std::string& text)
{
    std::size_t at = 0;
    while (at < text.size())
    {
        const auto size = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
        if (size < 0)
            std::_Exit(98);
        at += static_cast<std::size_t>(size);
    }
}

termios found{};

void raw()
{
    ::tcgetattr(STDIN_FILENO, &found);
    auto wanted = found;
    ::cfmakeraw(&wanted);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &wanted);
}

int echo()
{
    raw();
    put("ready");
    char room[4096];
    for (;;)
    {
        const auto size = ::read(STDIN_FILENO, room, sizeof room);
        if (size <= 0)
            return 0;
        put(std::string(room, static_cast<std::size_t>(size)));
    }
}

int pour(std::size_t bytes, unsigned seed)
{
    raw();
    std::mt19937 random(seed);
    while (bytes > 0)
    {
        std::string piece(std::min<std::size_t>(bytes, 1 + random() % 5000), ' ');
        for (auto& each : piece)
            each = static_cast<char>(random());
        put(piece);
        bytes -= piece.size();
    }
    return 7;
}

int size()
{
    sigset_t changed;
    sigemptyset(&changed);
    sigaddset(&changed, SIGWINCH);
    ::sigprocmask(SIG_BLOCK, &changed, nullptr);
    for (;;)
    {
        winsize now{};
        ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now);
        put("size " + std::to_string(now.ws_col) + "x" + std::to_string(now.ws_row) + " of " +
            std::to_string(now.ws_xpixel) + "\r\n");
        int number = 0;
        ::sigwait(&changed, &number);
    }
}

int line()
{
    put("ready\n");
    std::string text;
    for (;;)
    {
        char each = 0;
        if (::read(STDIN_FILENO, &each, 1) != 1)
            return 0;
        if (each != '\n')
        {
            text += each;
            continue;
        }
        if (text.starts_with("exit "))
            return std::atoi(text.c_str() + 5);
        if (text.starts_with("kill "))
            ::raise(std::atoi(text.c_str() + 5));
        put("got " + text + "\n");
        text.clear();
    }
}

void stop()
{
    ::tcsetattr(STDIN_FILENO, TCSANOW, &found);
    put("suspended\r\n");
    ::kill(0, SIGTSTP);
}

void on_continue(int)
{
    raw();
    put("back");
}

int suspend()
{
    std::signal(SIGCONT, &on_continue);
    raw();
    put("ready");
    char each = 0;
    while (::read(STDIN_FILENO, &each, 1) == 1)
    {
        if (each == 0x1a)
            stop();
        else if (each == 'q')
            return 3;
        else
            put(std::string("key ") + each + ";");
    }
    return 0;
}

const char* told_of_hangup = nullptr;

void on_hangup(int)
{
    const int file = ::open(told_of_hangup, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)!::write(file, "hung up", 7);
    std::_Exit(0);
}

int box()
{
    raw();
    put("\033[?2004h\033[?1049h\033[2J");
    std::string text;
    bool list = false;
    bool pasting = false;
    const auto draw = [&]
    {
        if (list)
            return put("\033[20;1H\033[K> a list\033[20;3H");
        put("\033[20;1H\033[K\033[24;1H\033[K\xe2\x9d\xaf\xc2\xa0");
        const auto last = text.rfind('\n');
        put(text.size() > 200 ? "[Pasted text #1 +3 lines]" : last == std::string::npos ? text : text.substr(last + 1));
    };
    draw();
    for (;;)
    {
        char room[4096];
        const auto size = ::read(STDIN_FILENO, room, sizeof room);
        if (size <= 0)
            return 0;
        std::string_view bytes(room, static_cast<std::size_t>(size));
        while (!bytes.empty())
        {
            if (bytes.starts_with("\033[200~") || bytes.starts_with("\033[201~"))
            {
                pasting = bytes[4] == '0';
                bytes.remove_prefix(6);
                continue;
            }
            const char each = bytes.front();
            bytes.remove_prefix(1);
            if (pasting && !list)
                text += each;
            if (pasting)
                continue;
            if (each == '\r')
            {
                put("\033[2;1H\033[K" + (list ? "chosen" : "sent <" + std::to_string(text.size()) + "|" + text + ">"));
                text.clear();
                list = false;
            }
            else if (each == 0x10)
                list = true;
            else if (each == 0x1b)
                list = false;
            else if (each == 0x04)
                return 0;
            else if (!list)
                text += each;
        }
        draw();
    }
}

} // namespace

int main(int count, char** values)
{
    const std::string what = count > 1 ? values[1] : "";
    if (what == "echo")
        return echo();
    if (what == "pour")
        return pour(std::strtoul(values[2], nullptr, 10), static_cast<unsigned>(std::strtoul(values[3], nullptr, 10)));
    if (what == "shout")
        return pour(SIZE_MAX, 1);
    if (what == "size")
        return size();
    if (what == "line")
        return line();
    if (what == "suspend")
        return suspend();
    if (what == "deaf")
    {
        put("deaf");
        for (;;)
            ::pause();
    }
    if (what == "hangup")
    {
        told_of_hangup = values[2];
        std::signal(SIGHUP, &on_hangup);
        put("ready");
        for (;;)
            ::pause();
    }
    if (what == "box")
        return box();
    if (what == "leave")
    {
        put("\033[?1049h\033[?2004h\033[?1003h\033[?25l\033[>1u");
        ::raise(SIGKILL);
    }
    return 99;
}
