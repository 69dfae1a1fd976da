#pragma once
#include "watchdog.hpp"
#include <pqxx/connection_base>
#include <pqxx/connectionpolicy>
#include <string>

namespace consortium::postgres
{

/// A connection to Postgres that connects once, within `limit`, and hears a watchdog that stops. What is sent over it
/// is for a watchdog::watch to bound. The server's notices are nobody's; errors come as one line without the data they
/// are about. Throws what libpqxx does.
class server_connection final : public pqxx::connection_base
{
public:
    server_connection(const std::string& url, std::chrono::milliseconds limit, watchdog& by);
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;
    ~server_connection();

private:
    class policy final : public pqxx::connectionpolicy
    {
    public:
        policy(const std::string& url, std::chrono::milliseconds limit, watchdog& by)
            : connectionpolicy(url), limit_(limit), by_(by)
        {
        }
        handle do_startconnect(handle current) override;

    private:
        const std::chrono::milliseconds limit_;
        watchdog& by_;
        bool tried_ = false;
    };

    policy policy_;
};

} // namespace consortium::postgres
