#include "consortium/net/proxy.hpp"
#include "socks5.hpp"
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>

namespace consortium::net
{
namespace
{

proxy_settings settings_of(const std::map<std::string, std::string>& variables)
{
    return proxy_settings::from_environment(
        [&](const char* name) -> const char*
        {
            const auto found = variables.find(name);
            return found == variables.end() ? nullptr : found->second.c_str();
        });
}

/// The proxy that is used, "direct", or "refused".
std::string way_to(const std::string& address, const proxy_settings& settings)
{
    const auto chosen = choose_proxy(settings, parse_url(address).value());
    return !chosen ? "refused" : *chosen ? (*chosen)->shown() : "direct";
}

TEST(proxy, each_scheme_has_its_variable_and_all_proxy_the_rest)
{
    const auto both = settings_of({{"https_proxy", "http://s:1"}, {"http_proxy", "http://p:2"}, {"all_proxy", "a:3"}});
    EXPECT_EQ(way_to("https://relay.example", both), "http://s:1");
    EXPECT_EQ(way_to("wss://relay.example", both), "http://s:1");
    EXPECT_EQ(way_to("http://relay.example", both), "http://p:2");
    EXPECT_EQ(way_to("ws://relay.example", both), "http://p:2");
    EXPECT_EQ(way_to("ws://relay.example", settings_of({{"ALL_PROXY", "socks5h://a"}})), "socks5h://a:1080");
    EXPECT_EQ(way_to("https://relay.example", settings_of({{"HTTPS_PROXY", "u:p@[::1]:3"}})), "http://[::1]:3");
    EXPECT_EQ(
        way_to("https://relay.example", settings_of({{"https_proxy", ""}, {"HTTPS_PROXY", "h:1"}})), "http://h:1");
    EXPECT_EQ(way_to("http://relay.example", settings_of({{"HTTP_PROXY", "http://evil:1"}})), "direct");
    EXPECT_EQ(way_to("https://relay.example", settings_of({})), "direct");
}

TEST(proxy, this_machine_is_reached_directly)
{
    const auto all = settings_of({{"all_proxy", "http://p:1"}});
    for (const auto* host : {"127.0.0.1:3005", "localhost", "[::1]:3005", "a.localhost"})
        EXPECT_EQ(way_to("http://" + std::string(host), all), "direct") << host;
}

TEST(proxy, exceptions_are_names_what_is_below_them_addresses_and_networks)
{
    const auto way = [](const std::string& host, const std::string& exceptions)
    { return way_to("http://" + host, settings_of({{"all_proxy", "http://p:1"}, {"no_proxy", exceptions}})); };
    for (const auto& [host, exceptions] : std::vector<std::pair<std::string, std::string>>{
             {"relay.example", "*"},
             {"relay.example", "relay.example"},
             {"Relay.Example", "x, EXAMPLE"},
             {"relay.example.", ".example"},
             {"relay.example", "a b,example.,c"},
             {"10.1.2.3", "10.1.2.3"},
             {"10.1.2.3", "10.0.0.0/8"},
             {"[fd00::1]", "fd00::/8"},
             {"[fd00::1]", "[fd00::1]"}})
        EXPECT_EQ(way(host, exceptions), "direct") << host << " " << exceptions;
    for (const auto& [host, exceptions] : std::vector<std::pair<std::string, std::string>>{
             {"relay.example", ""},
             {"relay.example", "*,x"},
             {"notexample", "example"},
             {"example", "relay.example"},
             {"relay.example", ".,,"},
             {"11.1.2.3", "10.0.0.0/8"},
             {"10.1.2.3", "fd00::/8,10.0.0.0/99,3"},
             {"[fe00::1]", "fd00::/8"}})
        EXPECT_EQ(way(host, exceptions), "http://p:1") << host << " " << exceptions;
}

TEST(proxy, what_names_no_usable_proxy_is_refused_without_its_password)
{
    for (const std::string value :
         {"https://u:secret@p:1", "socks4://p", "http://", "http://u:secret@p:0", "http://p:99999", "http://a b",
          "http://:secret@p:1", "http://u%3av:secret@p:1"})
    {
        const auto chosen =
            choose_proxy(settings_of({{"https_proxy", value}}), parse_url("https://relay.example").value());
        ASSERT_FALSE(chosen) << value;
        EXPECT_EQ(chosen.error(), errc::bad_request);
        EXPECT_TRUE(chosen.error().detail.contains("https_proxy"));
        EXPECT_FALSE(chosen.error().detail.contains("secret")) << chosen.error().detail;
    }
    const auto long_password =
        choose_proxy(settings_of({{"all_proxy", "socks5://u:" + std::string(256, 'x') + "@p"}}), {true, "h", 443, "/"});
    EXPECT_EQ(long_password.error(), errc::bad_request);
}

TEST(socks5, asks_for_addresses_as_such)
{
    const auto request_for = [](const std::string& host)
    {
        socks5_handshake handshake(host, 0x1234, {});
        EXPECT_EQ(handshake.hello(), std::string("\x05\x01\x00", 3));
        return handshake.next(std::string("\x05\x00", 2)).value();
    };
    EXPECT_EQ(request_for("1.2.3.4"), std::string("\x05\x01\x00\x01\x01\x02\x03\x04\x12\x34", 10));
    EXPECT_EQ(request_for("::1"), std::string("\x05\x01\x00\x04", 4) + std::string(15, '\0') + "\x01\x12\x34");
    EXPECT_EQ(
        request_for("a"), std::string(
                              "\x05\x01\x00\x03\x01"
                              "a\x12\x34",
                              8));
}

RC_GTEST_PROP(socks5_property, any_bytes_end_it_or_are_taken_in_few_steps, (const std::string& input, bool login))
{
    socks5_handshake handshake("relay.example", 443, login ? std::optional(proxy::login{"u", "p"}) : std::nullopt);
    std::string_view rest = input;
    for (int steps = 0; !handshake.done() && rest.size() >= handshake.wanted(); ++steps)
    {
        RC_ASSERT(steps < 6);
        RC_ASSERT(handshake.wanted() > 0u && handshake.wanted() <= 257u);
        const auto taken = rest.substr(0, handshake.wanted());
        rest.remove_prefix(handshake.wanted());
        if (!handshake.next(taken))
            return;
    }
}

} // namespace
} // namespace consortium::net
