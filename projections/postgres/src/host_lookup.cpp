#include "host_lookup.hpp"
#include "wait_for_socket.hpp"
#include <array>
#include <libpq-fe.h>
#include <memory>
#include <netdb.h>
#include <optional>
#include <pqxx/except>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace consortium::postgres
{
namespace
{

using unique_options = std::unique_ptr<PQconninfoOption, decltype([](PQconninfoOption* of) { PQconninfoFree(of); })>;
using unique_addresses = std::unique_ptr<addrinfo, decltype([](addrinfo* of) { ::freeaddrinfo(of); })>;

/// What a thread that looks up and whoever waits for it share, whichever ends first.
class pending_answer
{
public:
    pending_answer() : ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    {
        if (ready_ < 0)
            throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    pending_answer(const pending_answer&) = delete;
    pending_answer& operator=(const pending_answer&) = delete;
    ~pending_answer() { ::close(ready_); }

    /// Readable once there is one.
    int descriptor() const noexcept { return ready_; }
    void give(result<addresses> what)
    {
        const std::lock_guard lock(guard_);
        what_ = std::move(what);
        ::eventfd_write(ready_, 1);
    }
    result<addresses> take()
    {
        const std::lock_guard lock(guard_);
        return std::move(*what_);
    }

private:
    const int ready_;
    std::mutex guard_;
    std::optional<result<addresses>> what_;
};

result<addresses> look_up(
    const std::string& host, std::chrono::steady_clock::time_point deadline, const watchdog& by, const resolver& ask)
{
    const auto answer = std::make_shared<pending_answer>();
    std::thread([answer, host, ask] { answer->give(ask(host)); }).detach();
    wait_for_socket(
        answer->descriptor(), /*reading=*/true, deadline, by, "the address of the host was not found in time");
    return answer->take();
}

/// "a,b,,c": as libpq divides its lists.
std::vector<std::string> list_of(std::string_view text)
{
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();)
    {
        const auto end = std::min(text.find(',', at), text.size());
        out.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

void add(std::string& list, std::string_view what, bool first)
{
    list += first ? "" : ",";
    list += what;
}

/// A socket of this machine; libpq's rule.
bool is_path(const std::string& host)
{
    return host.empty() || host.starts_with('/') || host.starts_with('@');
}

} // namespace

result<addresses> ask_system(const std::string& host)
{
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int failed = ::getaddrinfo(host.c_str(), nullptr, &wanted, &list); failed != 0)
        return fail(errc::unavailable, "no address of the host " + host + " was found: " + ::gai_strerror(failed));
    const unique_addresses freed(list);
    addresses out;
    for (const auto* one = list; one != nullptr; one = one->ai_next)
        if (std::array<char, NI_MAXHOST> text{};
            ::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0)
            out.emplace_back(text.data());
    return out;
}

connect_parameters look_up_hosts(
    const std::string& url, std::chrono::steady_clock::time_point deadline, const watchdog& by, const resolver& ask)
{
    connect_parameters out{.url = url};
    const unique_options options(PQconninfoParse(url.c_str(), nullptr));
    std::string hosts;
    std::string ports;
    for (const auto* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
    {
        if (option->val == nullptr)
            continue;
        const std::string_view keyword = option->keyword;
        if (keyword == "hostaddr")
            return out;
        if (keyword == "host")
            hosts = option->val;
        if (keyword == "port")
            ports = option->val;
    }
    if (hosts.empty())
        return out;

    const auto host_list = list_of(hosts);
    const auto port_list = list_of(ports);
    // libpq says what is wrong with it.
    if (port_list.size() != 1 && port_list.size() != host_list.size())
        return out;
    std::optional<error> failed;
    bool first = true;
    for (std::size_t i = 0; i < host_list.size(); ++i)
    {
        const auto& host = host_list[i];
        const auto found = is_path(host) ? result<addresses>(addresses{""}) : look_up(host, deadline, by, ask);
        if (!found)
        {
            failed = found.error();
            continue;
        }
        for (const auto& address : *found)
        {
            add(out.host, host, first);
            add(out.hostaddr, address, first);
            if (port_list.size() > 1)
                add(out.port, port_list[i], first);
            first = false;
        }
    }
    if (first)
        throw pqxx::broken_connection(failed ? failed->detail : "the host of DATABASE_URL has no address");
    return out;
}

} // namespace consortium::postgres
