#include "client_address.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using list = std::vector<std::string>;

std::string client_of(const list& trusted, const std::string& peer, const net::http_headers& headers)
{
    return trusted_proxies::make(trusted).value().client_of(peer, headers);
}

TEST(client_address, reads_addresses_and_networks)
{
    EXPECT_EQ(to_string(*parse_address("::ffff:10.0.0.1")), "10.0.0.1");
    EXPECT_EQ(to_string(*parse_address("2001:DB8:0::1")), "2001:db8::1");
    EXPECT_FALSE(parse_address("localhost") || parse_address("") || parse_address("1.2.3"));
    const auto proxies = trusted_proxies::make(list{"10.1.0.0/16", "2001:db8::/33", "127.0.0.1"}).value();
    for (const auto* in : {"10.1.255.3", "2001:db8:7fff::9", "127.0.0.1", "::ffff:10.1.2.3"})
        EXPECT_TRUE(proxies.trusts(in)) << in;
    for (const auto* out : {"10.2.0.1", "2001:db8:8000::9", "127.0.0.2", "", "somebody"})
        EXPECT_FALSE(proxies.trusts(out)) << out;
    EXPECT_TRUE(trusted_proxies::make(list{"0.0.0.0/0"})->trusts("9.9.9.9"));
    EXPECT_FALSE(trusted_proxies::make(list{"0.0.0.0/0"})->trusts("::1"));
    for (const auto* bad : {"proxy.example", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/8x", ""})
        EXPECT_EQ(trusted_proxies::make(list{bad}).error(), errc::bad_request) << bad;
}

TEST(client_address, counts_ipv6_by_its_network)
{
    EXPECT_EQ(address_key("2001:db8:1:2:3::4"), address_key("2001:db8:1:2::5"));
    EXPECT_NE(address_key("2001:db8:1:2:3::4"), address_key("2001:db8:1:3::5"));
    EXPECT_EQ(address_key("10.0.0.1"), "10.0.0.1");
}

// Goal: nobody but a proxy that was named can say who asks.
TEST(client_address, believes_only_trusted_proxies)
{
    const net::http_headers said{{"X-Forwarded-For", "1.1.1.1"}};
    EXPECT_EQ(client_of({}, "127.0.0.1", said), "127.0.0.1");
    EXPECT_EQ(client_of({"10.0.0.1"}, "127.0.0.1", said), "127.0.0.1");
    EXPECT_EQ(client_of({"127.0.0.1"}, "127.0.0.1", said), "1.1.1.1");
    EXPECT_EQ(client_of({"127.0.0.1"}, "127.0.0.1", {}), "127.0.0.1");
}

// Goal: what a client wrote itself stands on the left of what proxies wrote, and counts for nothing.
TEST(client_address, the_rightmost_untrusted_address_wins)
{
    const list trusted{"127.0.0.1", "10.0.0.0/8"};
    EXPECT_EQ(client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", "6.6.6.6, 1.1.1.1,10.0.0.7"}}), "1.1.1.1");
    EXPECT_EQ(
        client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", "6.6.6.6"}, {"x-forwarded-for", "1.1.1.1:99"}}),
        "1.1.1.1");
    EXPECT_EQ(client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", "10.0.0.9, 10.0.0.8"}}), "10.0.0.9");
    // What cannot be read ends the walk at the proxy that passed it on.
    EXPECT_EQ(client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", "1.1.1.1, unknown"}}), "127.0.0.1");
    EXPECT_EQ(client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", "1.1.1.1, unknown, 10.0.0.3"}}), "10.0.0.3");
    EXPECT_EQ(client_of(trusted, "127.0.0.1", {{"X-Forwarded-For", ""}}), "127.0.0.1");
}

TEST(client_address, reads_forwarded)
{
    const auto hops = [](const char* text) { return hops_of_forwarded({{"Forwarded", text}}); };
    EXPECT_EQ(hops("for=192.0.2.60;proto=http;by=203.0.113.43"), (list{"192.0.2.60"}));
    EXPECT_EQ(hops("for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\""), (list{"192.0.2.43", "2001:db8:cafe::17"}));
    EXPECT_EQ(hops("proto=https , for = \"192.0.2.1:80\" ; host=\"a,b;for=6.6.6.6\""), (list{"", "192.0.2.1"}));
    EXPECT_EQ(hops("for=unknown, for=_hidden, for=\"_x:1\", by=1.1.1.1"), (list{"", "", "", ""}));
    EXPECT_EQ(hops("for=\"1.\\1.1.1\""), (list{"1.1.1.1"}));
    // Nothing may hide behind a quote that never ends, or be said twice.
    EXPECT_EQ(hops("for=1.1.1.1;x=\"y, for=2.2.2.2"), (list{""}));
    EXPECT_EQ(hops("for=1.1.1.1;for=2.2.2.2"), (list{""}));
    EXPECT_EQ(client_of({"::1"}, "::1", {{"Forwarded", "for=6.6.6.6, for=\"[2001:db8::1]\""}}), "2001:db8::1");
}

// Goal: a proxy that sets one header and passes the other on as the client wrote it cannot be used to be somebody else.
TEST(client_address, headers_that_disagree_are_the_proxys)
{
    const auto of = [](const char* x, const char* forwarded)
    { return client_of({"127.0.0.1"}, "127.0.0.1", {{"X-Forwarded-For", x}, {"Forwarded", forwarded}}); };
    EXPECT_EQ(of("1.1.1.1", "for=6.6.6.6"), "127.0.0.1");
    EXPECT_EQ(of("6.6.6.6", "for=1.1.1.1"), "127.0.0.1");
    EXPECT_EQ(of("1.1.1.1", "for=1.1.1.1"), "1.1.1.1");
}

} // namespace
} // namespace consortium::relay
