#include "assets.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

constexpr embedded_file files[] = {
    {"/index.html", "<!doctype html>", {}},
    {"/assets/app-123.js", "console.log()", "gzipped"},
    {"/icon.svg", "<svg/>", {}},
};

std::optional<net::http_response> get(std::string path, net::http_headers headers = {})
{
    static const asset_store store(files);
    net::http_request request;
    request.method = "GET";
    request.target = request.path = std::move(path);
    request.headers = std::move(headers);
    return store.find(request);
}

// Goal: a script in the page can reach the relay and nobody else, by WebSocket too.
TEST(assets_test, the_page_has_a_strict_policy)
{
    const auto page = get("/", {{"Host", "relay.example:3005"}});
    ASSERT_TRUE(page);
    EXPECT_EQ(page->headers.find("Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(
        page->headers.find("Content-Security-Policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self' ws://relay.example:3005 wss://relay.example:3005; media-src 'self' blob:; manifest-src "
        "'self'; base-uri 'none'; form-action "
        "'none'; "
        "frame-ancestors 'none'");
    EXPECT_EQ(page->headers.find("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(page->headers.find("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(page->headers.find("Cache-Control"), "no-cache");
}

TEST(assets_test, the_policy_names_the_relay_where_people_reach_it)
{
    const auto connects_to = [](const asset_store& store, std::string host)
    {
        net::http_request request;
        request.path = request.target = "/";
        request.headers = {{"Host", host}};
        const std::string policy(*store.find(request)->headers.find("Content-Security-Policy"));
        const auto begin = policy.find("connect-src ") + 12;
        return policy.substr(begin, policy.find(';', begin) - begin);
    };
    const asset_store proxied(files, {"relay.example"});
    EXPECT_EQ(connects_to(proxied, "relay.example"), "'self' ws://relay.example wss://relay.example");
    EXPECT_EQ(
        connects_to(proxied, "[::1]:80"), "'self' ws://[::1]:80 wss://[::1]:80 ws://relay.example wss://relay.example");
    // A header cannot widen it.
    for (const auto* bad : {"a.example ws:", "a.example; script-src *", "*", "", "a.example:99999", "*.example"})
        EXPECT_EQ(connects_to(asset_store(files), bad), "'self'") << bad;
}

TEST(assets_test, paths_of_the_app_are_the_page)
{
    for (const auto* path : {"/", "/pair", "/session/abc", "/v1x", "/index"})
        EXPECT_TRUE(get(path)) << path;
    for (const auto* path : {"/v1/nothing", "/v1", "/v3/x", "/health/x", "/missing.js", "/assets/old-1.css"})
        EXPECT_FALSE(get(path)) << path;
    EXPECT_FALSE(get("/pair", {{"Accept", "application/json"}}));
    EXPECT_TRUE(get("/pair", {{"Accept", "text/html,application/xhtml+xml"}}));
}

TEST(assets_test, hashed_files_are_kept_for_ever)
{
    EXPECT_EQ(get("/assets/app-123.js")->headers.find("Cache-Control"), "public, max-age=31536000, immutable");
    EXPECT_EQ(get("/assets/app-123.js")->headers.find("Content-Type"), "text/javascript; charset=utf-8");
    EXPECT_EQ(get("/icon.svg")->headers.find("Cache-Control"), "no-cache");
    EXPECT_EQ(get("/icon.svg")->headers.find("Content-Type"), "image/svg+xml");
}

TEST(assets_test, what_is_known_is_not_sent_again)
{
    const std::string tag(*get("/")->headers.find("ETag"));
    const auto again = get("/", {{"If-None-Match", tag}});
    EXPECT_EQ(again->status, 304u);
    EXPECT_EQ(net::view(again->body), "");
    EXPECT_EQ(get("/", {{"If-None-Match", "\"other\""}})->status, 200u);
}

TEST(assets_test, who_takes_gzip_gets_it)
{
    const auto packed = get("/assets/app-123.js", {{"Accept-Encoding", "gzip, deflate"}});
    EXPECT_EQ(packed->headers.find("Content-Encoding"), "gzip");
    EXPECT_EQ(net::view(packed->body), "gzipped");
    EXPECT_EQ(net::view(get("/assets/app-123.js")->body), "console.log()");
}

} // namespace
} // namespace consortium::relay
