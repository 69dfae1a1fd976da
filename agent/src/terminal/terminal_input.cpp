#include "terminal/terminal_input.hpp"
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace consortium::agent
{
namespace
{

own_text with_choice(own_text question, bool otherwise)
{
    return std::move(question) + (otherwise ? own_text(" [Y/n]") : own_text(" [y/N]"));
}

} // namespace

// A descriptor of our own: closing ours must not close the standard input.
terminal_input::terminal_input(const asio::any_io_executor& executor) : input_(executor)
{
    boost::system::error_code ignored;
    input_.assign(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), ignored);
}

void terminal_input::ask(const own_text& question)
{
    forget_typed();
    std::printf("%s ", fitted(question).c_str());
    std::fflush(stdout);
}

/// Lines that were read with an earlier answer, and those that the terminal still holds, begun ones too.
void terminal_input::forget_typed()
{
    if (::tcflush(input_.native_handle(), TCIFLUSH) == 0)
        buffer_.clear();
}

void terminal_input::cancel()
{
    boost::system::error_code ignored;
    input_.cancel(ignored);
}

asio::awaitable<result<std::string>> terminal_input::line()
{
    for (;;)
    {
        const auto end = buffer_.find('\n');
        if (end != std::string::npos)
        {
            auto out = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            if (out.ends_with('\r'))
                out.pop_back();
            co_return out;
        }
        std::array<char, 512> room{};
        boost::system::error_code problem;
        const auto size =
            co_await input_.async_read_some(asio::buffer(room), asio::redirect_error(asio::use_awaitable, problem));
        if (problem == asio::error::operation_aborted)
            co_return fail(errc::cancelled, "nobody waits for an answer any more");
        if (problem)
            co_return fail(errc::closed, "This question needs a terminal to be answered at.");
        buffer_.append(room.data(), size);
    }
}

asio::awaitable<result<bool>> terminal_input::yes(own_text question, bool otherwise)
{
    const auto words = with_choice(std::move(question), otherwise);
    co_return co_await yes_or_no(
        [&words]
        {
            std::printf("%s ", words.view().c_str());
            std::fflush(stdout);
        },
        otherwise);
}

asio::awaitable<result<bool>> terminal_input::yes(screen& out, own_text question, bool otherwise)
{
    const auto words = with_choice(std::move(question), otherwise);
    auto answer = co_await yes_or_no([&] { out.open_question(words); }, otherwise);
    out.close_question();
    co_return answer;
}

asio::awaitable<result<bool>> terminal_input::yes_or_no(std::function<void()> ask, bool otherwise)
{
    for (;;)
    {
        forget_typed();
        ask();
        const auto answer = co_await line();
        if (!answer)
            co_return std::unexpected(answer.error());
        if (answer->empty())
            co_return otherwise;
        const char first = (*answer)[0];
        if (first == 'y' || first == 'Y')
            co_return true;
        if (first == 'n' || first == 'N')
            co_return false;
    }
}

} // namespace consortium::agent
