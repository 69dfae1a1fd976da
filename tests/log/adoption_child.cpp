// A process that adopts a log with losses and kills itself on the way; for adoption_test.
//
// adoption_child DIRECTORY POINT: POINT is a crash_point's number.
#include "adoption.hpp"
#include "log/small_domain.hpp"
#include <csignal>
#include <iostream>
#include <unistd.h>

int main(int argc, char** argv)
{
    using namespace consortium;
    if (argc != 3)
        return 2;
    const auto point = static_cast<log::crash_point>(std::stoi(argv[2]));
    log::seams below;
    below.reached = [&](log::crash_point reached)
    {
        if (reached == point)
            ::kill(::getpid(), SIGKILL);
    };
    const log::testing::small_domain rules;
    const auto agree = [](const log::adoption&) { return result<void>(); };
    const auto done = log::adopt_log_over(log::testing::options_for(argv[1]), rules, agree, below);
    if (!done)
        std::cerr << done.error().detail << "\n";
    return done ? 0 : 1;
}
