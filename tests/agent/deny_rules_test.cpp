#include "agent/fresh_directory.hpp"
#include "drivers/claude/deny_rules.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

json::object settings_of(const std::vector<std::string>& arguments)
{
    EXPECT_EQ(arguments.at(0), "--settings");
    return json::parse(arguments.at(1)).as_object();
}

bool denies(const json::object& settings, std::string_view rule)
{
    const auto& deny = settings.at("permissions").at("deny").as_array();
    return std::ranges::any_of(
        deny, [&](const json::value& each) { return std::string_view(each.as_string()) == rule; });
}

} // namespace

TEST(deny_rules, keep_claudes_file_tools_out_of_the_keys)
{
    const auto made = claude::with_denied_folder({"--model", "opus"}, "/home/me/.consortium").value();
    EXPECT_TRUE(denies(settings_of(made), "Read(//home/me/.consortium/**)"));
    EXPECT_TRUE(denies(settings_of(made), "Edit(//home/me/.consortium/**)"));
    EXPECT_EQ(std::vector(made.begin() + 2, made.end()), (std::vector<std::string>{"--model", "opus"}));
    const auto odd = claude::with_denied_folder({}, "/home/[me]/*x").value();
    EXPECT_TRUE(denies(settings_of(odd), "Read(//home/\\[me\\]/\\*x/**)"));
}

// Goal: half a surrogate pair, or a byte that is no UTF-8, keeps nobody from starting.
TEST(deny_rules, are_merged_into_settings_that_are_not_quite_json)
{
    const auto made = claude::with_denied_folder({"--settings", "{\"a\":\"\\ud800\",\"b\":\"\xff\"}"}, "/k").value();
    EXPECT_EQ(settings_of(made).at("a"), "\xef\xbf\xbd");
    EXPECT_EQ(settings_of(made).at("b"), "\xef\xbf\xbd");
    EXPECT_TRUE(denies(settings_of(made), "Read(//k/**)"));
    EXPECT_FALSE(claude::with_denied_folder({"--settings", "{\"a\":"}, "/k"));
}

TEST(deny_rules, are_merged_into_the_users_settings)
{
    const std::string own = R"json({"model":"x","permissions":{"deny":["WebFetch"],"allow":["Bash(ls)"]}})json";
    const fresh_directory place;
    const auto file = (place.path() / "settings.json").string();
    std::ofstream(file) << own;
    for (const auto& given :
         {std::vector<std::string>{"--settings", file}, std::vector<std::string>{"--settings=" + file},
          std::vector<std::string>{"--settings", own}})
    {
        auto arguments = given;
        arguments.push_back("--verbose");
        const auto made = claude::with_denied_folder(arguments, "/k").value();
        EXPECT_EQ(made.size(), 3u) << "the user's own is not given beside it";
        const auto settings = settings_of(made);
        EXPECT_EQ(settings.at("model"), "x");
        EXPECT_EQ(settings.at("permissions").at("allow").as_array().at(0), "Bash(ls)");
        EXPECT_TRUE(denies(settings, "WebFetch"));
        EXPECT_TRUE(denies(settings, "Read(//k/**)"));
    }
    EXPECT_EQ(claude::with_denied_folder({"--settings", "/nowhere"}, "/k").error(), errc::bad_request);
    EXPECT_EQ(claude::with_denied_folder({"--settings", "{not json"}, "/k").error(), errc::bad_request);
    const auto after = claude::with_denied_folder({"--", "--settings", "x"}, "/k").value();
    EXPECT_EQ(after.back(), "x") << "what follows -- is no option";
}
