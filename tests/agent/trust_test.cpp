#include "agent/fresh_directory.hpp"
#include "base/agent_limits.hpp"
#include "base/files.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/trust.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::claude;
using namespace consortium::agent::testing;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace
{

/// A home, and a repository with a folder in it.
class claude_trust : public ::testing::Test
{
protected:
    claude_trust()
    {
        fs::create_directories(home / "empty");
        fs::create_directories(repository / ".git");
        fs::create_directories(folder);
    }
    void write(const fs::path& file, const std::string& content)
    {
        fs::create_directories(file.parent_path());
        std::ofstream(file) << content;
    }
    std::string read(const fs::path& file) { return std::string(text(read_file(file).value())); }
    std::optional<question> asked(const fs::path& directory) { return trust_question(environment, directory); }

    fresh_directory place;
    fs::path home = fs::canonical(place.path()) / "home";
    fs::path repository = home / "theirs";
    fs::path folder = repository / "part";
    fs::path settings = home / ".claude.json";
    std::vector<std::string> environment{"HOME=" + home.string()};
};

} // namespace

TEST_F(claude_trust, is_asked_where_a_folder_would_run_something_and_shows_what)
{
    EXPECT_FALSE(asked(folder));
    write(repository / ".mcp.json", R"({"mcpServers":{"a":{"command":"evil"}}})");
    write(folder / ".claude" / "settings.json", "{\"hooks\":{}}");
    write(folder / ".claude" / "skills" / "x.md", "x");
    const auto found = asked(folder);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->kind, question_kind::trust);
    EXPECT_EQ(found->tool, "trust");
    EXPECT_EQ(
        found->arguments, (json::object{
                              {"folder", repository.string()},
                              {(folder / ".claude" / "settings.json").string(), "{\"hooks\":{}}"},
                              {(repository / ".mcp.json").string(), R"({"mcpServers":{"a":{"command":"evil"}}})"},
                              {"others", json::array{(folder / ".claude" / "skills" / "x.md").c_str()}}}));
    EXPECT_TRUE(found->grants.empty());
}

TEST_F(claude_trust, is_remembered_where_claude_code_does_and_all_else_there_stays)
{
    write(folder / ".mcp.json", "{}");
    write(settings, R"({"numStartups":7,"projects":{"/elsewhere":{"hasTrustDialogAccepted":false,"x":1}}})");
    ASSERT_TRUE(asked(folder));
    ASSERT_TRUE(remember_trust(environment, folder));
    EXPECT_FALSE(asked(folder));
    EXPECT_EQ(
        json::parse(read(settings)),
        (json::object{
            {"numStartups", 7},
            {"projects", json::object{
                             {"/elsewhere", json::object{{"hasTrustDialogAccepted", false}, {"x", 1}}},
                             {repository.string(), json::object{{"hasTrustDialogAccepted", true}}}}}}));
    EXPECT_FALSE(fs::exists(settings.string() + ".lock"));
}

TEST_F(claude_trust, of_a_folder_above_counts_within_the_repository_alone)
{
    write(folder / ".mcp.json", "{}");
    const auto trusting = [&](const fs::path& trusted)
    {
        const json::object project{{"hasTrustDialogAccepted", true}};
        write(settings, json::serialize(json::object{{"projects", json::object{{trusted.string(), project}}}}));
    };
    trusting(home);
    EXPECT_TRUE(asked(folder));
    trusting(repository);
    EXPECT_FALSE(asked(folder));
    trusting(folder);
    EXPECT_FALSE(asked(folder));
    fs::remove(repository / ".git");
    trusting(home);
    EXPECT_FALSE(asked(folder));
}

TEST_F(claude_trust, is_not_asked_of_the_persons_own_home)
{
    write(home / ".claude" / "settings.json", "{}");
    EXPECT_FALSE(asked(home));
}

// Goal: a file that is broken, or in use, loses nothing, and never counts as a yes.
TEST_F(claude_trust, changes_nothing_in_a_file_it_cannot_read_or_lock)
{
    write(folder / ".mcp.json", "{}");
    for (const auto* broken : {"{\"projects\":", "[]", "", "{\"projects\":{\"x\":"})
    {
        write(settings, broken);
        EXPECT_TRUE(asked(folder));
        EXPECT_EQ(remember_trust(environment, folder).error(), errc::corrupt);
        EXPECT_EQ(read(settings), broken);
    }
    write(settings, "{}");
    fs::create_directory(settings.string() + ".lock");
    EXPECT_EQ(remember_trust(environment, folder).error(), errc::unavailable);
    EXPECT_EQ(read(settings), "{}");
    for (const auto* odd :
         {R"({"projects":1})", R"({"projects":{"P":1}})", R"({"projects":{"P":{"hasTrustDialogAccepted":"true"}}})"})
    {
        std::string content = odd;
        if (const auto at = content.find('P'); at != std::string::npos && content[at - 1] == '"')
            content.replace(at, 1, repository.string());
        write(settings, content);
        EXPECT_TRUE(asked(folder)) << content;
    }
}

TEST_F(claude_trust, is_asked_for_servers_of_any_folder_above)
{
    const auto above = fs::canonical(place.path()) / ".mcp.json";
    write(above, "{}");
    EXPECT_TRUE(asked(folder).value().arguments.contains(above.string()));
    fs::remove(above);
    write(home / ".mcp.json", "{}");
    EXPECT_FALSE(asked(folder));
}

TEST_F(claude_trust, reads_no_file_that_has_no_end)
{
    fs::create_symlink("/dev/zero", folder / ".mcp.json");
    EXPECT_EQ(
        asked(folder).value().arguments.at((folder / ".mcp.json").string()),
        "(This is not an ordinary file, and is not shown.)");
}

TEST_F(claude_trust, shows_a_large_folder_in_part_and_counts_the_rest)
{
    write(folder / ".mcp.json", std::string(70'000, 'x'));
    for (int i = 0; i < 110; ++i)
        write(folder / ".claude" / "commands" / (std::to_string(i) + ".md"), "");
    const auto found = asked(folder).value();
    EXPECT_TRUE(found.arguments.at((folder / ".mcp.json").string())
                    .as_string()
                    .ends_with("(and 4464 bytes more, which are not shown)"));
    EXPECT_EQ(found.arguments.at("others").as_array().size(), 101u);
    EXPECT_EQ(
        found.arguments.at("others").as_array().back().as_string(), "and 10 more in " + (folder / ".claude").string());
}

TEST_F(claude_trust, of_the_whole_home_is_not_remembered)
{
    write(fs::canonical(place.path()) / ".mcp.json", "{}");
    ASSERT_TRUE(asked(home));
    ASSERT_TRUE(remember_trust(environment, home));
    EXPECT_FALSE(fs::exists(settings));

    fs::create_directory(home / ".git"); // the home is a repository: the folder in it is what is trusted
    write(home / "mine" / ".mcp.json", "{}");
    EXPECT_EQ(asked(home / "mine").value().arguments.at("folder"), (home / "mine").c_str());
    ASSERT_TRUE(remember_trust(environment, home / "mine"));
    EXPECT_FALSE(asked(home / "mine"));
    EXPECT_TRUE(asked(home / "empty"));
}

TEST_F(claude_trust, holds_for_a_folder_by_whichever_name_it_is_reached)
{
    write(folder / ".mcp.json", "{}");
    fs::create_directory_symlink(folder, home / "link");
    ASSERT_TRUE(remember_trust(environment, home / "link"));
    EXPECT_FALSE(asked(folder));
    EXPECT_FALSE(asked(home / "link"));
}

TEST_F(claude_trust, is_asked_for_what_lies_behind_links_too)
{
    fs::create_directories(folder / "elsewhere");
    fs::create_directory(folder / ".claude");
    fs::create_directory_symlink("../elsewhere", folder / ".claude" / "commands");
    EXPECT_EQ(asked(folder).value().arguments.at("others"), json::array{(folder / ".claude" / "commands").c_str()});
    fs::remove_all(folder / ".claude");
    write(folder / "elsewhere" / "a.md", "");
    fs::create_directory_symlink("elsewhere", folder / ".claude");
    EXPECT_TRUE(asked(folder));
}

// Goal: whatever bytes a repository holds, the question is text.
TEST_F(claude_trust, shows_text_whatever_the_bytes_are)
{
    write(folder / ".mcp.json", std::string(limits::trust_file_bytes_max - 1, 'x') + "\xc3\xa4");
    write(folder / ".claude" / "settings.json", "\xff{}");
    write(folder / ".claude" / "\xffname", "");
    const auto found = asked(folder).value();
    EXPECT_EQ(found.arguments.at((folder / ".claude" / "settings.json").string()), "\xef\xbf\xbd{}");
    const auto shown = folder / ".claude" / "\xef\xbf\xbdname";
    EXPECT_EQ(found.arguments.at("others"), json::array{shown.c_str()});
    const auto ask = make_ask(found, "nonce", folder.string());
    EXPECT_EQ(well_formed_utf8(ask, ask.size() * 3), ask);
}

// Goal: half a surrogate pair somewhere in Claude's file takes nobody's trust away, and is not written away either.
TEST_F(claude_trust, is_found_in_a_file_that_is_not_quite_json)
{
    write(folder / ".mcp.json", "{}");
    const auto content =
        R"({"x":"\ud800","projects":{")" + repository.string() + R"(":{"hasTrustDialogAccepted":true}}})";
    write(settings, content);
    EXPECT_FALSE(asked(folder));
    EXPECT_EQ(remember_trust(environment, folder).error(), errc::corrupt);
    EXPECT_EQ(read(settings), content);
}

TEST_F(claude_trust, shows_at_a_terminal_what_would_run_and_counts_the_rest)
{
    std::string content = "{\n\n \n\"a\":1,\n";
    for (int i = 0; i < 60; ++i)
        content += "\"b\":2,\n";
    write(folder / ".mcp.json", content);
    write(folder / ".claude" / "x.md", "");
    const auto lines = trust_in_lines(asked(folder).value());
    ASSERT_EQ(lines.size(), 1u + 1 + limits::trust_lines_max + 1 + 2);
    EXPECT_EQ(lines[0], "folder: " + repository.string());
    EXPECT_EQ(lines[1], (folder / ".mcp.json").string() + ":");
    EXPECT_EQ(lines[2], "| {");
    EXPECT_EQ(lines[3], "| \"a\":1,");
    EXPECT_EQ(lines[2 + limits::trust_lines_max], "… and 22 lines more");
    EXPECT_EQ(lines.back(), "| " + (folder / ".claude" / "x.md").string());
}
