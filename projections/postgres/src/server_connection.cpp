#include "server_connection.hpp"
#include "host_lookup.hpp"
#include "wait_for_socket.hpp"
#include <array>
#include <libpq-fe.h>
#include <memory>
#include <new>
#include <pqxx/except>
#include <utility>

namespace consortium::postgres
{
namespace
{

using clock = std::chrono::steady_clock;
using unique_connection = std::unique_ptr<PGconn, decltype([](PGconn* of) { PQfinish(of); })>;

} // namespace

pqxx::connectionpolicy::handle server_connection::policy::do_startconnect(handle current)
{
    if (current != nullptr)
        return current;
    // What was set for the session would be missing in another one.
    if (std::exchange(tried_, true))
        throw pqxx::broken_connection("the connection was lost");
    const auto deadline = clock::now() + limit_;
    const auto wanted = look_up_hosts(options(), deadline, by_, ask_system);
    // What is empty counts as not given.
    const std::array keywords{"dbname", "host", "hostaddr", "port", static_cast<const char*>(nullptr)};
    const std::array values{
        wanted.url.c_str(), wanted.host.c_str(), wanted.hostaddr.c_str(), wanted.port.c_str(),
        static_cast<const char*>(nullptr)};
    unique_connection made(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
    if (!made)
        throw std::bad_alloc();
    // By default libpq prints them.
    PQsetNoticeProcessor(made.get(), [](void*, const char*) {}, nullptr);
    for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(made.get()))
    {
        if (next == PGRES_POLLING_FAILED || PQstatus(made.get()) == CONNECTION_BAD)
            throw pqxx::broken_connection(PQerrorMessage(made.get()));
        wait_for_socket(
            PQsocket(made.get()), next == PGRES_POLLING_READING, deadline, by_,
            "the server did not complete the connection in time");
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
