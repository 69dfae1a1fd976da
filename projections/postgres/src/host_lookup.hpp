#pragma once
#include "consortium/common/error.hpp"
#include "watchdog.hpp"
#include <chrono>
#include <functional>
#include <string>
#include <vector>

/// libpq asks the system for the addresses of a host and waits for as long as that takes, minutes perhaps, whoever
/// wants to stop. So it is asked here, and libpq is given addresses.
namespace consortium::postgres
{

using addresses = std::vector<std::string>;
/// Blocks. Numeric addresses, or why there are none.
using resolver = std::function<result<addresses>(const std::string& host)>;
/// getaddrinfo(3)
result<addresses> ask_system(const std::string& host);

/// What PQconnectStartParams() gets. Each host stands there as often as it has addresses: certificates and passwords
/// are the host's.
struct connect_parameters
{
    std::string url;
    /// In place of the URL's, where they are not empty.
    std::string host{};
    std::string hostaddr{};
    std::string port{};
};

/// Looks up the hosts that `url` names, unless it names their addresses too. Throws pqxx::broken_connection when none
/// has an address, after `deadline`, and as soon as `by` stops; a resolver that was asked is left behind on its thread
/// then, which ends by itself.
connect_parameters look_up_hosts(
    const std::string& url, std::chrono::steady_clock::time_point deadline, const watchdog& by, const resolver& ask);

} // namespace consortium::postgres
