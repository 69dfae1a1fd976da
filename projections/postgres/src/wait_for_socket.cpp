#include "wait_for_socket.hpp"
#include <array>
#include <cerrno>
#include <poll.h>
#include <pqxx/except>

namespace consortium::postgres
{

void wait_for_socket(
    int descriptor, bool reading, std::chrono::steady_clock::time_point deadline, const watchdog& by, const char* late)
{
    for (;;)
    {
        using namespace std::chrono;
        const auto left = ceil<milliseconds>(deadline - steady_clock::now()).count();
        if (left <= 0)
            throw pqxx::broken_connection(late);
        std::array<pollfd, 2> wanted{
            pollfd{descriptor, static_cast<short>(reading ? POLLIN : POLLOUT), 0},
            pollfd{by.stop_descriptor(), POLLIN, 0}};
        const int ready = ::poll(wanted.data(), wanted.size(), static_cast<int>(left));
        if (ready < 0 && errno != EINTR)
            throw pqxx::broken_connection("cannot wait for the server");
        if (wanted[1].revents != 0)
            throw pqxx::broken_connection("stopped while connecting");
        if (ready > 0)
            return;
    }
}

} // namespace consortium::postgres
