#include "agent/fresh_directory.hpp"
#include "base/agent_limits.hpp"
#include "drivers/claude/servers.hpp"
#include "drivers/claude/trust.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::claude;
using namespace consortium::agent::testing;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace
{

/// A home, and a folder in it with files of servers.
class servers : public ::testing::Test
{
protected:
    servers() { fs::create_directories(folder); }
    void write(const fs::path& to, const std::string& content)
    {
        fs::create_directories(to.parent_path());
        std::ofstream(to) << content;
    }
    server_plan plan() { return plan_servers(environment, folder, decided); }
    /// What is asked, as it is remembered.
    std::vector<std::string> open()
    {
        std::vector<std::string> out;
        for (const auto& each : plan().open)
            out.push_back(each.what);
        std::ranges::sort(out);
        return out;
    }
    void say(bool runs)
    {
        for (const auto& each : plan().open)
            decide(decided, each, runs);
    }

    fresh_directory place;
    fs::path home = fs::canonical(place.path()) / "home";
    fs::path folder = home / "theirs" / "part";
    fs::path file = folder / ".mcp.json";
    std::vector<std::string> environment{"HOME=" + home.string()};
    json::object decided;
};
using words = std::vector<std::string>;

} // namespace

TEST_F(servers, are_asked_about_one_by_one_with_all_that_they_would_run)
{
    write(file, R"({"mcpServers":{"a":{"command":"evil","args":["-x"]},"b":{"url":"http://evil"}}})");
    const auto found = plan();
    ASSERT_EQ(found.open.size(), 2u);
    EXPECT_EQ(found.open[0].asked.tool, "server");
    EXPECT_EQ(found.open[0].asked.kind, question_kind::server);
    EXPECT_EQ(
        found.open[0].asked.arguments, (json::object{
                                           {"server", "a"},
                                           {"file", file.string()},
                                           {"entry", json::object{{"command", "evil"}, {"args", json::array{"-x"}}}}}));
    EXPECT_EQ(
        server_in_lines(found.open[0]),
        (words{"server: a", "file: " + file.string(), "| command: \"evil\"", "| args: [\"-x\"]"}));
    EXPECT_TRUE(found.off.empty() && found.none.empty());
}

// Goal: a yes is for what was shown, and for nothing that comes later under its name.
TEST_F(servers, that_were_decided_are_asked_about_again_when_anything_of_them_changes)
{
    constexpr const char* changes[] = {
        R"({"command":"other"})", R"({"command":"c","args":["x"]})", R"({"command":"c","env":{"A":"1"}})",
        R"({"url":"http://c"})",  R"({"command":"c","headers":{}})", R"("c")"};
    write(file, R"({"mcpServers":{"a":{"command":"c"}}})");
    say(true);
    EXPECT_TRUE(plan().open.empty());
    EXPECT_TRUE(plan().off.empty());
    for (const auto* changed : changes)
    {
        write(file, std::string(R"({"mcpServers":{"a":)") + changed + "}}");
        EXPECT_EQ(open(), words{"server a"}) << changed;
    }
    write(file, R"({"mcpServers":{"a":{"command":"c"},"b":{"command":"c"}}})");
    EXPECT_EQ(open(), words{"server b"});
    fs::rename(file, folder.parent_path() / ".mcp.json");
    EXPECT_EQ(open(), (words{"server a", "server b"})) << "in another file";
}

TEST_F(servers, that_were_refused_stay_off_until_they_change)
{
    write(file, R"({"mcpServers":{"a":{"command":"c"}}})");
    say(false);
    EXPECT_EQ(plan().off, words{"a"});
    EXPECT_EQ(plan().refused, words{"a (" + file.string() + ")"});
    EXPECT_TRUE(plan().open.empty());
    write(file, R"({"mcpServers":{"a":{"command":"d"}}})");
    EXPECT_EQ(open(), words{"server a"});
    decide(decided, plan().open.front(), std::nullopt);
    EXPECT_EQ(plan().off, words{"a"});
    EXPECT_TRUE(plan().refused.empty()) << "nobody said no";
}

TEST_F(servers, in_a_file_that_a_yes_to_the_folder_showed_are_decided_as_shown)
{
    write(file, R"({"mcpServers":{"a":{"command":"c"}}})");
    const auto trust = trust_question(environment, folder).value();
    write(file, R"({"mcpServers":{"a":{"command":"c"},"late":{"command":"c"}}})");
    for (const auto& each : servers_shown(trust))
        decide(decided, each, true);
    EXPECT_EQ(open(), words{"server late"});

    // One of which a part was not shown is asked about by itself.
    write(file, R"({"mcpServers":{"b":{"command":")" + std::string(limits::trust_file_bytes_max, 'x') + "\"}}}");
    for (const auto& each : servers_shown(trust_question(environment, folder).value()))
        decide(decided, each, true);
    EXPECT_EQ(open(), words{"server b"});
}

TEST_F(servers, of_every_folder_above_are_asked_about_but_not_the_persons_own)
{
    write(fs::canonical(place.path()) / ".mcp.json", R"({"mcpServers":{"above":{}}})");
    write(folder.parent_path() / ".mcp.json", R"({"mcpServers":{"a":{"command":"outer"}}})");
    write(file, R"({"mcpServers":{"a":{"command":"inner"}}})");
    write(home / ".mcp.json", R"({"mcpServers":{"mine":{}}})");
    EXPECT_EQ(open(), (words{"server a", "server a", "server above"}));
}

// Goal: whatever cannot be read to the letter is asked about as it is, or nothing of any file runs.
TEST_F(servers, in_a_file_that_is_no_json_to_the_letter_are_asked_about_as_that_file)
{
    for (const auto* odd :
         {"{\"mcpServers\":", "// x\n{}", "[]", "{\"mcpServers\":[]}", "{\"mcpServers\":\"x\"}",
          "{\"mcpServers\":{\"a\":{\"command\":\"\\ud800\"}}}", "\xff", "{} {}", "{\"mcpServers\":{},}"})
    {
        write(file, odd);
        EXPECT_EQ(open(), words{"file"}) << odd;
        say(false);
        EXPECT_TRUE(open().empty());
        EXPECT_EQ(with_servers({"x"}, plan()).value(), (words{"--strict-mcp-config", "x"})) << odd;
        write(file, std::string(odd) + " ");
        EXPECT_EQ(open(), words{"file"}) << "changed";
        say(true);
        EXPECT_EQ(with_servers({"x"}, plan()).value(), words{"x"}) << odd;
    }
    for (const auto* empty : {"", " \n", "{}", "{\"a\":{\"command\":\"c\"}}"})
    {
        write(file, empty);
        EXPECT_TRUE(open().empty()) << empty;
    }
    write(file, "\xef\xbb\xbf{\"mcpServers\":{\"a\":{}}}");
    EXPECT_EQ(open(), words{"server a"});
    write(file, R"({"mcpServers":{"a":{"command":"first"},"a":{"command":"last"}}})");
    ASSERT_EQ(plan().open.size(), 1u);
    EXPECT_EQ(plan().open.front().asked.arguments.at("entry"), (json::object{{"command", "last"}})) << "as Claude Code";
}

TEST_F(servers, in_a_file_that_cannot_be_read_do_not_run)
{
    fs::create_symlink("/dev/zero", file);
    EXPECT_EQ(plan().none, file.string() + " cannot be read here.");
    EXPECT_EQ(with_servers({}, plan()).value(), words{"--strict-mcp-config"});
    fs::remove(file);
    write(file, "{}");
    fs::resize_file(file, limits::trust_read_bytes_max + 1);
    EXPECT_FALSE(plan().none.empty());
    fs::remove(file);
    fs::create_symlink("nowhere", file);
    EXPECT_TRUE(plan().none.empty()) << "nobody can read anything there";
    fs::remove(file);
    write(folder / "x.json", R"({"mcpServers":{"a":{}}})");
    fs::create_symlink("x.json", file);
    EXPECT_EQ(open(), words{"server a"});
}

TEST_F(servers, are_allowed_by_the_persons_settings_and_forbidden_by_any)
{
    write(file, R"({"mcpServers":{"a":{"command":"c"}}})");
    for (const auto* name : {"settings.json", "settings.local.json"})
        write(folder / ".claude" / name, R"({"enableAllProjectMcpServers":true,"enabledMcpjsonServers":["a"]})");
    EXPECT_EQ(open(), words{"server a"}) << "a repository can bring these";
    write(folder / ".claude" / "settings.json", R"({"disabledMcpjsonServers":["a"]})");
    EXPECT_EQ(plan().off, words{"a"});
    EXPECT_TRUE(open().empty());
    fs::remove_all(folder / ".claude");

    const auto own = home / ".claude" / "settings.json";
    write(own, R"({"enabledMcpjsonServers":["a"]})");
    ASSERT_EQ(plan().allowed.size(), 1u);
    EXPECT_TRUE(open().empty());
    decide(decided, plan().allowed.front(), true);
    EXPECT_TRUE(plan().allowed.empty());
    write(file, R"({"mcpServers":{"a":{"command":"changed"}}})");
    EXPECT_EQ(open(), words{"server a"});
    write(own, R"({"enableAllProjectMcpServers":true})");
    EXPECT_TRUE(open().empty());
    write(own, R"({"disabledMcpjsonServers":["a"]})");
    EXPECT_EQ(plan().off, words{"a"});
}

TEST_F(servers, that_are_off_are_named_in_the_settings_that_claude_gets)
{
    server_plan off;
    EXPECT_EQ(with_servers({"--model", "opus"}, off).value(), (words{"--model", "opus"}));
    off.off = {"a", "b c"};
    const auto made = with_servers({"--settings", R"({"disabledMcpjsonServers":["z"],"x":1})", "y"}, off).value();
    ASSERT_EQ(made.size(), 3u);
    EXPECT_EQ(json::parse(made[1]), (json::object{{"disabledMcpjsonServers", json::array{"z", "a", "b c"}}, {"x", 1}}));
    off.off.push_back(std::string(limits::servers_off_bytes_max, 'n'));
    EXPECT_EQ(with_servers({"y"}, off).value(), (words{"--strict-mcp-config", "y"}));
    EXPECT_TRUE(reads_no_servers({"--strict-mcp-config", "y"}));
    EXPECT_FALSE(reads_no_servers({"y"}));
}

// Goal: whatever is remembered, in whatever form, never counts as a yes to something else. Method: random damage.
TEST_F(servers, run_by_no_memory_that_is_damaged)
{
    write(file, R"({"mcpServers":{"a":{"command":"c"}}})");
    say(true);
    const json::value sound = decided;
    const auto kept = json::serialize(sound);
    std::mt19937 random(7); // NOLINT: the same each time
    std::size_t read = 0;
    for (int i = 0; i < 3000; ++i)
    {
        auto damaged = kept;
        damaged[random() % damaged.size()] = static_cast<char>(' ' + random() % 95);
        boost::system::error_code problem;
        const auto value = json::parse(damaged, problem);
        if (problem || !value.is_object() || value == sound)
            continue;
        ++read;
        decided = value.get_object();
        const auto now = plan();
        EXPECT_TRUE(!now.open.empty() || !now.off.empty()) << damaged;
    }
    EXPECT_GT(read, 100u);
}
