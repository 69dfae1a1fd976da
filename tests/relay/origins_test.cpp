#include "auth/origins.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

accepted_origins origins(std::vector<std::string> public_urls = {})
{
    return *accepted_origins::make(
        {.public_urls = std::move(public_urls), .own_hosts = {"box", "192.168.1.5", "[fd00::5]"}, .port = 3005});
}

TEST(origins_test, only_the_serialisation_of_an_origin_is_one)
{
    for (const auto* good : {"http://localhost", "http://localhost:3005", "https://a.example", "http://[::1]:80443"})
        EXPECT_EQ(parse_origin(good).has_value(), std::string_view(good) != "http://[::1]:80443") << good;
    for (const auto* bad :
         {"",
          "null",
          "localhost",
          "http://",
          "http://localhost/",
          "http://localhost:3005/path",
          "HTTP://localhost",
          "http://Localhost",
          "http://localhost:80",
          "https://localhost:443",
          "http://localhost:080",
          "http://a b",
          "http://user@localhost",
          "ftp://localhost",
          "http://localhost:0",
          "http://localhost:",
          "http://[::1",
          "http://localhost?x",
          "http://localhost#x",
          "file:///"})
        EXPECT_FALSE(parse_origin(bad)) << bad;
}

TEST(origins_test, an_origin_is_taken_from_any_url)
{
    EXPECT_EQ(to_string(*origin_of_url("https://Relay.Example/some/path?x#y")), "https://relay.example");
    EXPECT_EQ(to_string(*origin_of_url("http://relay.example:8080")), "http://relay.example:8080");
    EXPECT_FALSE(origin_of_url("relay.example"));
}

TEST(origins_test, loopback_is_accepted_on_every_port)
{
    for (const auto* good :
         {"http://localhost", "http://localhost:5173", "https://localhost:3005", "http://127.0.0.1:3005",
          "http://127.9.9.9", "http://[::1]:3005", "http://app.localhost:3005"})
        EXPECT_TRUE(origins().check(good)) << good;
    for (const auto* bad : {"http://128.0.0.1:3005", "https://127.0.0.1.evil.example", "http://localhost.evil.example"})
        EXPECT_EQ(origins().check(bad).error(), errc::wrong_origin) << bad;
}

TEST(origins_test, own_names_are_accepted_on_the_own_port)
{
    EXPECT_TRUE(origins().check("http://192.168.1.5:3005"));
    EXPECT_TRUE(origins().check("https://[fd00::5]:3005"));
    EXPECT_TRUE(origins().check("http://box:3005"));
    EXPECT_EQ(origins().check("http://192.168.1.5:3006").error(), errc::wrong_origin);
    EXPECT_EQ(origins().check("http://192.168.1.6:3005").error(), errc::wrong_origin);
}

TEST(origins_test, every_public_url_is_accepted_exactly)
{
    const auto accepted = origins({"https://relay.example/", "http://other.example:8080"});
    EXPECT_TRUE(accepted.check("https://relay.example"));
    EXPECT_TRUE(accepted.check("http://other.example:8080"));
    EXPECT_EQ(accepted.check("http://relay.example").error(), errc::wrong_origin);
    EXPECT_FALSE(accepted_origins::make({.public_urls = {"relay.example"}, .own_hosts = {}, .port = 1}));
}

TEST(origins_test, a_refusal_names_what_is_accepted)
{
    const auto refused = origins({"https://relay.example"}).check("http://evil.example");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("localhost"), std::string::npos);
    EXPECT_NE(refused.error().detail.find("https://relay.example"), std::string::npos);
}

TEST(origins_test, without_one_the_host_is_meant)
{
    EXPECT_EQ(origins().of_host("127.0.0.1:3005", false), "http://127.0.0.1:3005");
    EXPECT_EQ(origins().of_host("localhost", true), "https://localhost");
    EXPECT_FALSE(origins().of_host("evil.example", false));
    EXPECT_FALSE(origins().of_host("", false));
    // Behind a proxy that ends TLS.
    EXPECT_EQ(origins({"https://relay.example"}).of_host("relay.example", false), "https://relay.example");
}

// Goal: a page of somebody else cannot use a relay that only its visitor reaches.
TEST(origins_test, knows_its_own_pages)
{
    const auto known = *accepted_origins::make(
        {.public_urls = {"https://relay.example/x"},
         .dashboard_origins = {"https://dash.example"},
         .own_hosts = {"laptop.local"},
         .port = 3005});
    const auto own = [&](const char* origin, const char* host) { return known.check_page(origin, host).has_value(); };
    EXPECT_TRUE(own("https://relay.example", "127.0.0.1:3005"));
    EXPECT_TRUE(own("https://dash.example", "relay.example"));
    EXPECT_TRUE(own("http://localhost:3005", "localhost:3005"));
    EXPECT_TRUE(own("http://127.0.0.1:3005", "127.0.0.1:3005"));
    EXPECT_TRUE(own("http://laptop.local:3005", "laptop.local:3005"));
    EXPECT_TRUE(own("http://localhost:8080", "localhost:8080")) << "through a tunnel";
    EXPECT_FALSE(own("http://localhost:5173", "localhost:3005")) << "another server of this machine";
    EXPECT_FALSE(own("https://evil.example", "127.0.0.1:3005"));
    EXPECT_FALSE(own("http://evil.example:3005", "evil.example:3005")) << "a name that was pointed here";
    EXPECT_FALSE(own("http://relay.example", "relay.example"));
    EXPECT_FALSE(own("null", "localhost:3005"));
    EXPECT_FALSE(own("", "localhost:3005"));
    EXPECT_EQ(known.check_page("https://evil.example", "").error(), errc::forbidden);
    EXPECT_EQ(
        accepted_origins::make({.public_urls = {}, .dashboard_origins = {"dash"}, .own_hosts = {}}).error(),
        errc::bad_request);
}

} // namespace
} // namespace consortium::relay
