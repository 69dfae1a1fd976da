#include "host_lookup.hpp"
#include <future>
#include <gtest/gtest.h>
#include <pqxx/except>

using namespace consortium;
using namespace consortium::postgres;
using namespace std::chrono_literals;

namespace
{

const watchdog nobody;

std::chrono::steady_clock::time_point within(std::chrono::milliseconds limit)
{
    return std::chrono::steady_clock::now() + limit;
}

/// Has two addresses for "db", one for "spare" and none for anything else.
result<addresses> two_hosts(const std::string& host)
{
    if (host == "db")
        return addresses{"192.0.2.1", "2001:db8::1"};
    if (host == "spare")
        return addresses{"192.0.2.2"};
    return fail(errc::unavailable, host + " is unknown");
}

connect_parameters look_up(const std::string& url)
{
    return look_up_hosts(url, within(60s), nobody, two_hosts);
}

} // namespace

TEST(host_lookup, gives_each_address_with_its_host)
{
    const auto one = look_up("postgresql://u@db:5433/d");
    EXPECT_EQ(one.url, "postgresql://u@db:5433/d");
    EXPECT_EQ(one.host, "db,db");
    EXPECT_EQ(one.hostaddr, "192.0.2.1,2001:db8::1");
    EXPECT_EQ(one.port, "");
    const auto several = look_up("postgresql://u@spare:1,db:2,unknown:3/d");
    EXPECT_EQ(several.host, "spare,db,db");
    EXPECT_EQ(several.hostaddr, "192.0.2.2,192.0.2.1,2001:db8::1");
    EXPECT_EQ(several.port, "1,2,2");
    const auto mixed = look_up("postgresql:///d?host=/run/postgresql,spare");
    EXPECT_EQ(mixed.host, "/run/postgresql,spare");
    EXPECT_EQ(mixed.hostaddr, ",192.0.2.2");
}

TEST(host_lookup, asks_nobody_where_there_is_nothing_to_ask)
{
    for (const auto* url : {"postgresql:///d", "postgresql://u@unknown/d?hostaddr=192.0.2.9"})
    {
        const auto found = look_up(url);
        EXPECT_EQ(found.host + found.hostaddr + found.port, "") << url;
    }
}

TEST(host_lookup, a_host_without_an_address_is_an_error)
{
    EXPECT_THROW(look_up("postgresql://u@unknown/d"), pqxx::broken_connection);
    EXPECT_EQ(ask_system("127.0.0.1").value(), addresses{"127.0.0.1"});
    EXPECT_FALSE(ask_system("::1").value().empty());
}

// Goal: a resolver that answers nobody holds up nobody, neither who stops nor who has waited long enough.
TEST(host_lookup, leaves_a_resolver_behind_that_does_not_answer)
{
    std::promise<void> end;
    const auto stuck = [until = end.get_future().share()](const std::string&) -> result<addresses>
    {
        until.wait();
        return addresses{};
    };
    const auto error_of = [&](std::chrono::milliseconds limit, const watchdog& by) -> std::string
    {
        try
        {
            look_up_hosts("postgresql://u@db/d", within(limit), by, stuck);
        }
        catch (const pqxx::broken_connection& failed)
        {
            return failed.what();
        }
        return "nothing failed";
    };
    EXPECT_NE(error_of(50ms, nobody).find("in time"), std::string::npos);
    watchdog dog;
    auto asking = std::async(std::launch::async, [&] { return error_of(24h, dog); });
    EXPECT_EQ(asking.wait_for(50ms), std::future_status::timeout);
    dog.stop();
    EXPECT_NE(asking.get().find("stopped"), std::string::npos);
    end.set_value();
}
