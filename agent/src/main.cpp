#include "command_line.hpp"
#include "commands/commands.hpp"
#include "consortium/common/secret.hpp"
#include "diagnostics.hpp"
#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <cstdio>
#include <sys/stat.h>

namespace
{

using namespace consortium;
using namespace consortium::agent;

boost::asio::awaitable<int> dispatch(surroundings& with, const command_line& wanted)
{
    switch (wanted.what)
    {
    case command::login:
        return auth_login(with);
    case command::logout:
        return auth_logout(with);
    case command::status:
        return auth_status(with);
    case command::log:
        return show_log(with, wanted.accept);
    default:
        return run_session(with, wanted);
    }
}

int run(const command_line& wanted)
{
    init_crypto();
    ::umask(0077);
    std::signal(SIGPIPE, SIG_IGN);
    if (!wanted.diagnostics.empty() && !diagnostics::open(wanted.diagnostics))
    {
        std::fprintf(stderr, "cannot write %s\n", wanted.diagnostics.c_str());
        return 1;
    }
    const auto directory = keystore::default_directory();
    if (!directory)
    {
        std::fprintf(stderr, "%s\n", directory.error().detail.c_str());
        return 1;
    }
    const auto store = keystore::open(*directory);
    if (!store)
    {
        std::fprintf(stderr, "%s\n", store.error().detail.c_str());
        return 1;
    }
    boost::asio::io_context io;
    const system_clock_source clock;
    screen out;
    surroundings with{io, *store, clock, out};
    int status = 1;
    boost::asio::co_spawn(
        io, dispatch(with, wanted),
        [&](const std::exception_ptr& thrown, int value)
        {
            io.stop();
            if (thrown)
                std::rethrow_exception(thrown);
            status = value;
        });
    io.run();
    return status;
}

} // namespace

int main(int count, char** values)
{
    const auto wanted = consortium::agent::parse_command_line({values + 1, values + count});
    if (!wanted)
    {
        std::fprintf(stderr, "%s\n", wanted.error().detail.c_str());
        return 2;
    }
    if (wanted->what == command::help || wanted->what == command::version)
    {
        std::printf("%s\n", wanted->what == command::help ? wanted->text.c_str() : "consortium " CONSORTIUM_VERSION);
        return 0;
    }
    try
    {
        return run(*wanted);
    }
    catch (const std::exception& problem)
    {
        std::fprintf(stderr, "consortium has ended because of an unexpected problem: %s\n", problem.what());
        return 1;
    }
}
