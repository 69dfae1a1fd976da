#include "base/diagnostics.hpp"
#include "base/hardening.hpp"
#include "commands/command_line.hpp"
#include "commands/commands.hpp"
#include "consortium/common/secret.hpp"
#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sys/stat.h>

namespace
{

using namespace consortium;
using namespace consortium::agent;

void complain(std::string_view detail)
{
    std::fprintf(stderr, "%s\n", detail_of(detail).view().c_str());
}

/// A name is found on PATH wherever one is; a path may be relative.
std::string program_as_called(const std::string& name)
{
    if (name.find('/') == std::string::npos)
        return name;
    return std::filesystem::absolute(name).lexically_normal().string();
}

boost::asio::awaitable<int> dispatch(surroundings& with, const command_line& wanted)
{
    switch (wanted.what)
    {
    case command::login:
        return auth_login(with, wanted.invitation);
    case command::logout:
        return auth_logout(with);
    case command::status:
        return auth_status(with);
    case command::log:
        return show_log(with, wanted.accept);
    case command::trash:
        return show_trash(with);
    case command::restore:
        return restore_session(with, wanted.session);
    default:
        return run_session(with, wanted);
    }
}

int run(const command_line& wanted)
{
    close_to_others();
    init_crypto();
    ::umask(0077);
    std::signal(SIGPIPE, SIG_IGN);
    if (!wanted.diagnostics.empty() && !diagnostics::open(wanted.diagnostics))
    {
        complain("cannot write " + wanted.diagnostics);
        return 1;
    }
    const auto directory = keystore::default_directory();
    if (!directory)
    {
        complain(directory.error().detail);
        return 1;
    }
    const auto store = keystore::open(*directory);
    if (!store)
    {
        complain(store.error().detail);
        return 1;
    }
    boost::asio::io_context io;
    const system_clock_source clock;
    screen out;
    surroundings with{io, *store, clock, out, wanted.insecure};
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
    auto wanted = consortium::agent::parse_command_line({values + 1, values + count});
    if (!wanted)
    {
        complain(wanted.error().detail);
        return 2;
    }
    if (wanted->what == command::help || wanted->what == command::version)
    {
        std::printf("%s\n", wanted->what == command::help ? wanted->text.c_str() : "consortium " CONSORTIUM_VERSION);
        return 0;
    }
    wanted->program = program_as_called(values[0]);
    try
    {
        if (wanted->what == command::run)
        {
            if (const auto settled = settle_words_for_claude(*wanted); !settled)
            {
                complain(settled.error().detail);
                return settled.error() == errc::bad_request ? 2 : 1;
            }
        }
        return run(*wanted);
    }
    catch (const std::exception& problem)
    {
        complain("consortium has ended because of an unexpected problem: " + std::string(problem.what()));
        return 1;
    }
}
