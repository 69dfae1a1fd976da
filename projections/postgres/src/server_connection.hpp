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

    /// libpq's, for what libpqxx has not. Good as long as nothing failed.
    pg_conn* handle() const noexcept { return policy_.made(); }

private:
    class policy final : public pqxx::connectionpolicy
    {
    public:
        policy(const std::string& url, std::chrono::milliseconds limit, watchdog& by)
            : connectionpolicy(url), limit_(limit), by_(by)
        {
        }
        handle do_startconnect(handle current) override;
        pg_conn* made() const noexcept { return made_; }

    private:
        const std::chrono::milliseconds limit_;
        watchdog& by_;
        bool tried_ = false;
        pg_conn* made_ = nullptr; ///< libpqxx closes it
    };

    policy policy_;
};

} // namespace consortium::postgres
