#include "agent/fresh_directory.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "drivers/claude/brought.hpp"
#include "drivers/claude/servers.hpp"
#include "drivers/claude/trust.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <functional>
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

/// A home, and a folder in it that brings things.
class brought_things : public ::testing::Test
{
protected:
    brought_things() { fs::create_directories(folder); }
    void write(const fs::path& to, const std::string& content)
    {
        fs::create_directories(to.parent_path());
        std::ofstream(to) << content;
    }
    brought_plan plan() { return plan_brought(environment, folder, {}, decided); }
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
using servers = brought_things;

/// With plugins in it.
class plugins : public brought_things
{
protected:
    fs::path put(const fs::path& where, const std::string& name)
    {
        write(where / ".claude-plugin" / "plugin.json", R"({"name":")" + name + "\"}");
        write(where / "hooks" / "hooks.json", R"({"hooks":{"SessionStart":[]}})");
        write(where / "run.sh", "one");
        return where;
    }
    /// A marketplace with one plugin, named in the folder's settings, which turn the plugin on.
    void put_market()
    {
        write(
            folder / "market" / ".claude-plugin" / "marketplace.json",
            R"({"name":"market","plugins":[{"name":"tool","source":"./plugins/tool"}]})");
        put(folder / "market" / "plugins" / "tool", "tool");
        write(folder / ".claude" / "settings.json", market_settings("market"));
    }
    static std::string market_settings(const std::string& key)
    {
        return R"({"extraKnownMarketplaces":{")" + key +
               R"(":{"source":{"source":"directory","path":"./market"}}},"enabledPlugins":{"tool@market":true}})";
    }
    fs::path skills = folder / ".claude" / "skills";
    fs::path own_settings = home / ".claude" / "settings.json";
};

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
        brought_in_lines(found.open[0]),
        (words{"server: a", "file: " + file.string(), "| command: \"evil\"", "| args: [\"-x\"]"}));
    EXPECT_TRUE(found.servers_off.empty() && found.no_servers.empty());
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
    EXPECT_TRUE(plan().servers_off.empty());
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
    EXPECT_EQ(plan().servers_off, words{"a"});
    EXPECT_EQ(plan().refused, words{"a (" + file.string() + ")"});
    EXPECT_TRUE(plan().open.empty());
    write(file, R"({"mcpServers":{"a":{"command":"d"}}})");
    EXPECT_EQ(open(), words{"server a"});
    decide(decided, plan().open.front(), std::nullopt);
    EXPECT_EQ(plan().servers_off, words{"a"});
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
        EXPECT_EQ(with_plan({"x"}, plan()).value(), (words{"--strict-mcp-config", "x"})) << odd;
        write(file, std::string(odd) + " ");
        EXPECT_EQ(open(), words{"file"}) << "changed";
        say(true);
        EXPECT_EQ(with_plan({"x"}, plan()).value(), words{"x"}) << odd;
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
    EXPECT_EQ(plan().no_servers, file.string() + " cannot be read here.");
    EXPECT_EQ(with_plan({}, plan()).value(), words{"--strict-mcp-config"});
    fs::remove(file);
    write(file, "{}");
    fs::resize_file(file, limits::trust_read_bytes_max + 1);
    EXPECT_FALSE(plan().no_servers.empty());
    fs::remove(file);
    fs::create_symlink("nowhere", file);
    EXPECT_TRUE(plan().no_servers.empty()) << "nobody can read anything there";
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
    EXPECT_EQ(plan().servers_off, words{"a"});
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
    EXPECT_EQ(plan().servers_off, words{"a"});
}

TEST_F(servers, that_are_off_are_named_in_the_settings_that_claude_gets)
{
    brought_plan off;
    EXPECT_EQ(with_plan({"--model", "opus"}, off).value(), (words{"--model", "opus"}));
    off.servers_off = {"a", "b c"};
    const auto made = with_plan({"--settings", R"({"disabledMcpjsonServers":["z"],"x":1})", "y"}, off).value();
    ASSERT_EQ(made.size(), 3u);
    EXPECT_EQ(json::parse(made[1]), (json::object{{"disabledMcpjsonServers", json::array{"z", "a", "b c"}}, {"x", 1}}));
    off.servers_off.push_back(std::string(limits::brought_off_bytes_max, 'n'));
    EXPECT_EQ(with_plan({"y"}, off).value(), (words{"--strict-mcp-config", "y"}));
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
        EXPECT_TRUE(!now.open.empty() || !now.servers_off.empty()) << damaged;
    }
    EXPECT_GT(read, 100u);
}

TEST_F(plugins, in_the_folders_skills_are_asked_about_with_all_that_lies_in_them)
{
    put(skills / "evil", "tool");
    write(skills / "plain" / "SKILL.md", "---\nname: plain\n---\n"); // no plugin
    const auto found = plan();
    ASSERT_EQ(found.open.size(), 1u);
    const auto& asked = found.open.front().asked;
    EXPECT_EQ(asked.tool, "plugin");
    EXPECT_EQ(asked.kind, question_kind::plugin);
    EXPECT_EQ(
        asked.arguments, (json::object{
                             {"plugin", "tool@skills-dir"},
                             {"from", (skills / "evil").string()},
                             {(skills / "evil" / ".claude-plugin" / "plugin.json").string(), R"({"name":"tool"})"},
                             {(skills / "evil" / "hooks" / "hooks.json").string(), R"({"hooks":{"SessionStart":[]}})"},
                             {"others", json::array{(skills / "evil" / "run.sh").string()}}}));
    const auto lines = brought_in_lines(found.open.front());
    EXPECT_EQ(lines.front(), "plugin: tool@skills-dir");
    EXPECT_NE(std::ranges::find(lines, "| " + (skills / "evil" / "run.sh").string()), lines.end());
}

// Goal: a yes is for what was there, and for nothing that comes later under its name.
TEST_F(plugins, that_were_allowed_are_asked_about_again_when_any_file_of_them_changes)
{
    const auto evil = put(skills / "evil", "tool");
    write(place.path() / "elsewhere" / "file", "one");
    fs::create_directory_symlink(fs::canonical(place.path()) / "elsewhere", evil / "linked");
    const std::pair<const char*, std::function<void()>> changes[] = {
        {"nothing", [] {}},
        {"a script", [&] { write(evil / "run.sh", "two"); }},
        {"one more file", [&] { write(evil / "deep" / "more", ""); }},
        {"a name", [&] { fs::rename(evil / "run.sh", evil / "ran.sh"); }},
        {"what may be run", [&] { fs::permissions(evil / "ran.sh", fs::perms::owner_all); }},
        {"what a link leads to", [&] { write(place.path() / "elsewhere" / "file", "two"); }},
        {"one file less", [&] { fs::remove(evil / "ran.sh"); }},
        {"an empty folder", [&] { fs::create_directory(evil / "empty"); }},
        {"the folder", [&] { fs::rename(evil, skills / "other"); }},
    };
    for (const auto& [what, change] : changes)
    {
        say(true);
        EXPECT_TRUE(open().empty()) << what;
        change();
        EXPECT_EQ(open(), std::string_view(what) == "nothing" ? words() : words{"plugin tool@skills-dir"}) << what;
    }
    say(true);
    write(skills / "other" / ".git" / "HEAD", "a submodule's");
    EXPECT_TRUE(open().empty());
    EXPECT_EQ(with_plan({"x"}, plan()).value(), words{"x"});
}

TEST_F(plugins, that_were_refused_are_off_in_what_claude_gets)
{
    put(skills / "evil", "tool");
    say(false);
    EXPECT_TRUE(open().empty());
    EXPECT_EQ(plan().refused, words{"tool@skills-dir (" + (skills / "evil").string() + ")"});
    const auto made = with_plan({"--settings", R"({"enabledPlugins":{"z":true,"tool@skills-dir":true}})", "y"}, plan());
    EXPECT_EQ(json::parse(made.value().at(1)), json::parse(R"({"enabledPlugins":{"z":true,"tool@skills-dir":false}})"));
    EXPECT_EQ(made.value().back(), "y");

    brought_plan many;
    many.plugins_off = {std::string(limits::brought_off_bytes_max + 1, 'n')};
    EXPECT_EQ(
        with_plan({"--setting-sources=user,project", "y"}, many).value(), (words{"--setting-sources", "user", "y"}));
}

TEST_F(plugins, of_the_repository_count_but_not_the_persons_own_and_not_what_is_off)
{
    fs::create_directories(home / "theirs" / ".git");
    put(home / "theirs" / ".claude" / "skills" / "up", "up");
    put(home / ".claude" / "skills" / "mine", "mine");
    put(skills / "evil", "evil");
    EXPECT_EQ(open(), (words{"plugin evil@skills-dir", "plugin up@skills-dir"}));
    write(own_settings, R"({"enabledPlugins":{"evil@skills-dir":false,"up@skills-dir":true}})");
    EXPECT_EQ(open(), words{"plugin up@skills-dir"}) << "a yes to the person's own plugin of a name is none to another";
    write(folder / ".claude" / "settings.local.json", R"({"enabledPlugins":{"evil@skills-dir":true}})");
    EXPECT_EQ(open(), (words{"plugin evil@skills-dir", "plugin up@skills-dir"})) << "the folder turns it on again";
    folder = home;
    EXPECT_TRUE(open().empty());
}

TEST_F(plugins, that_cannot_be_looked_at_do_not_run)
{
    const auto evil = put(skills / "evil", "tool");
    fs::create_directory_symlink("/", evil / "everything");
    const auto found = plan();
    EXPECT_TRUE(found.open.empty());
    EXPECT_EQ(found.plugins_off, words{"tool@skills-dir"});
    ASSERT_EQ(found.said.size(), 1u);
    EXPECT_NE(found.said.front().find((skills / "evil").string()), std::string::npos);
    fs::remove_all(evil);
    for (const auto& file : {evil / ".claude-plugin" / "plugin.json", folder / ".claude" / "settings.json"})
    {
        write(file, "{}");
        EXPECT_TRUE(plan().no_plugins.empty());
        fs::resize_file(file, limits::trust_read_bytes_max + 1);
        EXPECT_FALSE(plan().no_plugins.empty());
        EXPECT_EQ(with_plan({"y"}, plan()).value(), (words{"--setting-sources", "user", "y"}));
        fs::remove(file);
    }
}

TEST_F(plugins, of_a_marketplace_that_settings_of_the_folder_turn_on_are_asked_about)
{
    put_market();
    const auto tool = folder / "market" / "plugins" / "tool";
    const auto found = plan();
    ASSERT_EQ(found.open.size(), 1u);
    const auto& arguments = found.open.front().asked.arguments;
    EXPECT_EQ(arguments.at("plugin"), "tool@market");
    EXPECT_EQ(text_at(arguments, "from"), (folder / ".claude" / "settings.json").string());
    EXPECT_EQ(text_at(*object_at(*object_at(arguments, "marketplace"), "source"), "path"), "./market");
    EXPECT_TRUE(arguments.contains((tool / "hooks" / "hooks.json").string()));

    const std::pair<const char*, std::function<void()>> changes[] = {
        {"a script", [&] { write(tool / "run.sh", "two"); }},
        {"the entry",
         [&]
         {
             write(
                 folder / "market" / ".claude-plugin" / "marketplace.json",
                 R"({"name":"market","plugins":[{"name":"tool","source":"./plugins/tool","hooks":{}}]})");
         }},
        {"the settings", [&] { write(folder / ".claude" / "settings.json", market_settings("other")); }},
    };
    for (const auto& [what, change] : changes)
    {
        say(true);
        EXPECT_TRUE(open().empty()) << what;
        change();
        EXPECT_EQ(open(), words{"plugin tool@market"}) << what;
    }
    say(true);
    write(folder / "market" / "README", "another file of the marketplace");
    EXPECT_TRUE(open().empty());
}

// Goal: Claude Code remembers a marketplace that it once met; the folder need not name it a second time.
TEST_F(plugins, of_a_marketplace_that_is_known_are_bound_to_their_files)
{
    put_market();
    write(folder / ".claude" / "settings.json", R"({"enabledPlugins":{"tool@market":true}})");
    write(
        home / ".claude" / "plugins" / "known_marketplaces.json",
        R"({"market":{"source":{"source":"directory","path":")" + (folder / "market").string() + R"("}}})");
    say(true);
    EXPECT_TRUE(open().empty());
    write(folder / "market" / "plugins" / "tool" / "run.sh", "two");
    EXPECT_EQ(open(), words{"plugin tool@market"});
}

TEST_F(plugins, that_the_person_turned_on_are_the_persons_own_unless_the_folder_says_where_they_come_from)
{
    write(own_settings, R"({"enabledPlugins":{"tool@market":true,"mine@mine":true}})");
    write(folder / ".claude" / "settings.json", R"({"enabledPlugins":{"tool@market":true}})");
    EXPECT_TRUE(open().empty());
    put_market();
    EXPECT_EQ(open(), words{"plugin tool@market"});
    write(folder / ".claude" / "settings.json", market_settings("under another name"));
    EXPECT_EQ(open(), words{"plugin tool@market"});
    write(
        folder / ".claude" / "settings.json",
        R"({"extraKnownMarketplaces":{"mine":{"source":{"source":"github","repo":"a/b"}}}})");
    EXPECT_EQ(open(), words{"plugin mine@mine"});
}
