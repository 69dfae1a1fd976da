#include "consortium/common/invitation.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/common/qr_code.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/log/diagnostics.hpp"
#include "contain.hpp"
#include "program.hpp"
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <malloc.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

void set_up_logging(const std::string& level)
{
    log::log_to_stderr("relay", "%Y-%m-%dT%H:%M:%S.%e%z %l %*");
    spdlog::set_level(spdlog::level::from_str(level == "warn" ? "warning" : level));
}

/// What a large body or page takes goes back to the system when it ends. glibc raises this bound by itself with the
/// first of them that is freed, and would keep what a flood took (mallopt(3), M_MMAP_THRESHOLD).
void give_memory_back()
{
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

/// SIGTERM, SIGINT and SIGHUP, waited for by main() alone: blocked before any thread is made.
sigset_t block_signals()
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return wanted;
}

/// Of a relay that strangers can reach: whoever runs it gets the first account.
void announce_first_invitation(const config& settings, program& relay)
{
    const auto made = relay.invite();
    if (!made)
    {
        spdlog::error("no first invitation could be made: {}", made.error().detail);
        return;
    }
    const auto link = invitation_link(relay.public_url(), made->code);
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(settings.invitation_lifetime).count();
    std::cout << "new accounts need an invitation; the first one, good once and for " << hours << " hours:\n  "
              << made->code << "\n  " << link << '\n';
    if (::isatty(STDOUT_FILENO) == 1)
        std::cout << qr_code(link);
    std::cout << "for another one: consortium-admin invite --data " << settings.data.string() << '\n';
}

/// The first line is for programs, the rest for people.
void announce(const config& settings, program& relay)
{
    std::cout << "listening on " << relay.own_address() << '\n';
    if (!relay.generated_secret().empty())
        std::cout << "made a new secret in " << relay.generated_secret().string() << ": back it up, apart from "
                  << settings.data.string() << "; without it the log cannot be opened\n";
    if (relay.needs_first_invitation())
        announce_first_invitation(settings, relay);
    std::cout << "open the dashboard: " << relay.public_url()
              << "\nthen run `consortium` in a project folder and scan the code it shows" << std::endl;
}

int run(const config& settings)
{
    const auto signals = block_signals();
    auto relay = program::make(settings);
    if (!relay)
    {
        std::fprintf(stderr, "consortium-relay: %s\n", relay.error().detail.c_str());
        return 1;
    }
    (*relay)->start();
    announce(settings, **relay);
    (*relay)->report();

    for (int signal = SIGHUP; signal == SIGHUP;)
        if (sigwait(&signals, &signal) == 0 && signal == SIGHUP)
            (*relay)->reload();
    spdlog::info("stopping");
    (*relay)->stop();
    spdlog::info("stopped");
    return 0;
}

} // namespace
} // namespace consortium::relay

int main(int argc, char** argv)
{
    using namespace consortium;
    using namespace consortium::relay;
    const auto parsed = parse_config(argc, argv);
    if (parsed.exit_code)
    {
        std::fputs(parsed.message.c_str(), *parsed.exit_code == 0 ? stdout : stderr);
        return *parsed.exit_code;
    }
    give_memory_back();
    set_up_logging(parsed.settings.log_level);
    std::set_terminate(end_saying_why);
    init_crypto();
    try
    {
        return run(parsed.settings);
    }
    catch (const std::exception& bug)
    {
        std::fprintf(stderr, "consortium-relay: %s\n", printable(bug.what()).c_str());
        return 1;
    }
}
