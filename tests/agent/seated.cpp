// seated PROGRAM ARGUMENTS...: runs a program at a seat, on the terminal that this one has. Its exit status is the
// program's, or 128 more than the number of the signal that ended it. At each SIGUSR1 it types what stands in the file
// SEATED_PROMPT, and says in a file beside it, named .done, what came of it.
#include "terminal/pty_seat.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace consortium::agent;

namespace
{

asio::awaitable<void> type_prompts(std::shared_ptr<pty_seat> place, std::string file)
{
    asio::signal_set wanted(co_await asio::this_coro::executor, SIGUSR1);
    for (;;)
    {
        co_await wanted.async_wait(asio::use_awaitable);
        std::ifstream prompt(file);
        const auto typed = co_await place->type(std::string(std::istreambuf_iterator<char>(prompt), {}));
        std::ofstream(file + ".part") << (typed ? "typed" : consortium::word(typed.error().code));
        std::filesystem::rename(file + ".part", file + ".done");
    }
}

} // namespace

int main(int count, char** values)
{
    if (count < 2)
        return 2;
    asio::io_context io;
    pty_seat_options options;
    options.paste_label = "[Pasted text #";
    const auto place = pty_seat::make(io.get_executor(), std::move(options));
    child_options program;
    program.program = values[1];
    program.arguments.assign(values + 2, values + count);
    for (char** each = environ; *each != nullptr; ++each)
        program.environment.emplace_back(*each);
    program.directory = std::filesystem::current_path();
    if (const auto started = place->start(program); !started)
        return 127;
    asio::signal_set asked(io, SIGTERM, SIGINT, SIGHUP);
    asked.async_wait(
        [&](const boost::system::error_code& problem, int)
        {
            if (!problem)
                place->close();
        });
    if (const char* file = std::getenv("SEATED_PROMPT"))
        asio::co_spawn(io, type_prompts(place, file), asio::detached);
    int status = 1;
    asio::co_spawn(
        io, place->ended(),
        [&](const std::exception_ptr&, child_exit ended)
        {
            status = ended.code ? *ended.code : 128 + ended.signal;
            io.stop();
        });
    io.run();
    return status;
}
