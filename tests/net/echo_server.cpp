// The rules of echo.hpp as a program, for the official client: `echo_server [key=value ...]`. Prints "listening PORT".
#include "consortium/common/secret.hpp"
#include "net/echo.hpp"
#include <csignal>
#include <map>

namespace consortium
{
namespace
{
int run(const std::map<std::string, std::string>& settings)
{
    const auto number = [&](const char* name, long otherwise)
    {
        const auto found = settings.find(name);
        return found == settings.end() ? otherwise : std::stol(found->second);
    };
    init_crypto();
    net::http_server_options listen;
    listen.port = static_cast<std::uint16_t>(number("port", 0));
    listen.threads = static_cast<std::size_t>(number("threads", 1));
    auto server = net::http_server::listen(listen);
    if (!server)
    {
        std::cerr << server.error().detail << "\n";
        return 1;
    }
    relay::socket_server_options options;
    options.ping_interval = milliseconds(number("ping_interval", 15'000));
    options.ping_timeout = milliseconds(number("ping_timeout", 45'000));
    options.connect_timeout = milliseconds(number("connect_timeout", 20'000));
    options.upgrade_grace = milliseconds(number("upgrade_grace", 100));
    echo_rules rules;
    const auto sockets = relay::socket_server::make(**server, rules, options);
    rules.sockets = sockets.get();
    echo_site site(*sockets);
    (*server)->start(site);
    std::cout << "listening " << (*server)->port() << std::endl;

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int received = 0;
    sigwait(&signals, &received);
    sockets->close_all("server shutting down");
    const bool clean = (*server)->drain(milliseconds(3'000));
    (*server)->stop();
    std::cout << (clean ? "drained" : "cut") << std::endl;
    return 0;
}
} // namespace
} // namespace consortium

int main(int count, char** args)
{
    // Before any thread exists, so that only sigwait() gets them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::map<std::string, std::string> settings;
    for (int i = 1; i < count; ++i)
    {
        const std::string_view each(args[i]);
        settings.emplace(each.substr(0, each.find('=')), each.substr(std::min(each.size(), each.find('=') + 1)));
    }
    return consortium::run(settings);
}
