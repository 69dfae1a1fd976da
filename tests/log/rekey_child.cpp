// A process that rotates a master secret and kills itself on the way; for rekey_test.
//
// rekey_child DIRECTORY OLD NEW SECRET_FILE POINT: POINT is a crash_point's number; SECRET_FILE may be empty.
#include "root_key.hpp"
#include <csignal>
#include <iostream>
#include <unistd.h>

int main(int argc, char** argv)
{
    using namespace consortium;
    if (argc != 6)
        return 2;
    const auto point = static_cast<log::crash_point>(std::stoi(argv[5]));
    log::seams below;
    below.reached = [&](log::crash_point reached)
    {
        if (reached == point)
            ::kill(::getpid(), SIGKILL);
    };
    std::optional<std::filesystem::path> file;
    if (*argv[4] != '\0')
        file = argv[4];
    const auto done = log::rekey_over(argv[1], argv[2], argv[3], file, below);
    if (!done)
        std::cerr << done.error().detail << "\n";
    return done ? 0 : 1;
}
