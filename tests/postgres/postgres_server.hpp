#pragma once
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <string>
#include <sys/types.h>
#include <vector>

namespace consortium::postgres::testing
{

/// Debian's PostgreSQL with a fresh cluster of its own, on a free loopback port. Whoever runs the tests as root runs it
/// as the user postgres, for it refuses to be root's.
class postgres_server
{
public:
    /// Makes the cluster and starts it. Throws when there is no PostgreSQL: scripts/dependencies --test brings it.
    postgres_server();
    postgres_server(const postgres_server&) = delete;
    postgres_server& operator=(const postgres_server&) = delete;
    /// Ends it and removes the cluster.
    ~postgres_server();

    void start();
    /// SIGKILL to all of it: nothing is written any more.
    void kill();
    /// In good order.
    void stop();
    /// To all its processes: SIGSTOP, SIGCONT.
    void signal(int which) const;

    /// From now on it takes TLS, with a certificate of its own for these hosts, whose file this is.
    std::filesystem::path take_tls(const std::vector<std::string>& hosts);

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& user = "postgres", const std::string& database = "mirror") const;
    /// As the superuser, in the database `mirror`.
    pqxx::result sql(const std::string& query, const std::string& database = "mirror") const;

private:
    std::vector<pid_t> processes() const;
    void end(int with);

    std::filesystem::path place_;
    std::uint16_t port_ = 0;
    pid_t process_ = -1;
};

} // namespace consortium::postgres::testing
