#include "server_connection.hpp"
#include <array>
#include <libpq-fe.h>
#include <memory>
#include <new>
#include <poll.h>
#include <pqxx/except>
#include <utility>

namespace consortium::postgres
{
namespace
{

using clock = std::chrono::steady_clock;
using unique_connection = std::unique_ptr<PGconn, decltype([](PGconn* of) { PQfinish(of); })>;

/// Waits until the socket is ready for what the connecting needs next.
void wait_for(PGconn& connection, bool reading, clock::time_point deadline, const watchdog& by)
{
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    std::array<pollfd, 2> wanted{
        pollfd{PQsocket(&connection), static_cast<short>(reading ? POLLIN : POLLOUT), 0},
        pollfd{by.stop_descriptor(), POLLIN, 0}};
    const int ready = left <= 0 ? 0 : ::poll(wanted.data(), wanted.size(), static_cast<int>(left));
    if (ready < 0 && errno != EINTR)
        throw pqxx::broken_connection("cannot wait for the server");
    if (wanted[1].revents != 0)
        throw pqxx::broken_connection("stopped while connecting");
    if (ready == 0)
        throw pqxx::broken_connection("the server did not complete the connection in time");
}

} // namespace

pqxx::connectionpolicy::handle server_connection::policy::do_startconnect(handle current)
{
    if (current != nullptr)
        return current;
    // What was set for the session would be missing in another one.
    if (std::exchange(tried_, true))
        throw pqxx::broken_connection("the connection was lost");
    const auto deadline = clock::now() + limit_;
    unique_connection made(PQconnectStart(options().c_str()));
    if (!made)
        throw std::bad_alloc();
    // By default libpq prints them.
    PQsetNoticeProcessor(made.get(), [](void*, const char*) {}, nullptr);
    for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(made.get()))
    {
        if (next == PGRES_POLLING_FAILED || PQstatus(made.get()) == CONNECTION_BAD)
            throw pqxx::broken_connection(PQerrorMessage(made.get()));
        wait_for(*made, next == PGRES_POLLING_READING, deadline, by_);
    }
    made_ = made.release();
    return made_;
}

server_connection::server_connection(const std::string& url, std::chrono::milliseconds limit, watchdog& by)
    : connection_base(policy_), policy_(url, limit, by)
{
    init();
    set_verbosity(terse);
}

server_connection::~server_connection()
{
    close();
}

} // namespace consortium::postgres
