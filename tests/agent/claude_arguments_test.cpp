#include "drivers/claude/arguments.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent::claude;

namespace
{

using words = std::vector<std::string>;

constexpr auto help = R"(Usage: claude [options] [command] [prompt]

Arguments:
  prompt                                Your prompt

Options:
  --add-dir <directories...>            More directories Claude can access
  --allowedTools, --allowed-tools <tools...>
      Comma or space-separated list of tool names to allow (e.g. "Bash(git *)
      Edit")
  -c, --continue                        Continue the most recent conversation in
                                        the current directory
  -d, --debug [filter]                  Enable debug mode with optional category
                                        filtering (e.g., --debug=hooks,mcp or
  --model <model>                       Model for the current session.
  -p, --print                           Print response and exit
  --output-format <format>              Output format (only works with --print):

Commands:
  doctor                                Check the health of your Claude Code
                                        installation. Reads settings files in
  mcp                                   Configure and manage MCP servers
  plugin|plugins                        Manage Claude Code plugins
  stop|kill <id>                        Stop a background session. Its
)";

const manual known = read_manual(help);
const words own{"auth", "log", "trash"};

result<invocation> read(const words& before, const words& behind = {})
{
    return read_invocation(before, behind, known, own);
}

} // namespace

TEST(claude_arguments, its_help_names_its_commands_and_options)
{
    using enum manual::takes;
    EXPECT_EQ(known.commands, (std::set<std::string>{"doctor", "mcp", "plugin", "plugins", "stop", "kill"}));
    const std::map<std::string, manual::takes> options{
        {"--add-dir", many},     {"--allowedTools", many}, {"--allowed-tools", many}, {"-c", nothing},
        {"--continue", nothing}, {"-d", perhaps_one},      {"--debug", perhaps_one},  {"--model", one},
        {"-p", nothing},         {"--print", nothing},     {"--output-format", one}};
    EXPECT_EQ(known.options, options);
}

TEST(claude_arguments, words_with_white_space_are_the_first_prompt)
{
    const auto first = read({"fix this"});
    EXPECT_EQ(first->prompt, "fix this");
    EXPECT_TRUE(first->arguments.empty());
    EXPECT_FALSE(first->alone);
    const auto last = read({"--model", "opus", "--debug", "-c", "fix\nthis"});
    EXPECT_EQ(last->prompt, "fix\nthis");
    EXPECT_EQ(last->arguments, (words{"--model", "opus", "--debug", "-c"}));
    EXPECT_EQ(read({"--model", "opus"}, {"refactor"})->prompt, "refactor") << "behind -- a word will do";
    EXPECT_EQ(read({}, {"mcp"})->prompt, "mcp") << "and is no command";
}

TEST(claude_arguments, values_of_options_are_no_prompts)
{
    for (const auto& each :
         {words{"--model", "my own model"}, words{"--add-dir", "a b", "c d"}, words{"--debug", "some filter"},
          words{"--model=a b"}, words{"-c"}, words{}})
    {
        const auto got = read(each);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->prompt, "");
        EXPECT_EQ(got->arguments, each);
    }
}

TEST(claude_arguments, a_single_word_is_refused_with_what_it_may_have_meant)
{
    const auto typo = read({"mpc", "--model", "opus"});
    ASSERT_EQ(typo.error(), errc::bad_request);
    EXPECT_NE(typo.error().detail.find("Did you mean `consortium mcp`?"), std::string::npos) << typo.error().detail;
    EXPECT_NE(typo.error().detail.find("consortium -- mpc"), std::string::npos) << typo.error().detail;
    EXPECT_NE(read({"tras"}).error().detail.find("`consortium trash`"), std::string::npos);
    EXPECT_EQ(read({"hello"}).error().detail.find("Did you mean"), std::string::npos) << "nothing is near";
    EXPECT_EQ(read({"fix", "this", "bug"}).error(), errc::bad_request);
    EXPECT_EQ(read({"fix this"}, {"and that"}).error(), errc::bad_request);
}

TEST(claude_arguments, claudes_own_commands_and_print_run_by_themselves)
{
    for (const auto& each :
         {words{"doctor"}, words{"mcp", "list"}, words{"--model", "opus", "mcp"}, words{"-p", "fix this"},
          words{"fix this", "--print", "--output-format", "json"}, words{"-c", "--version"}})
    {
        const auto got = read(each);
        ASSERT_TRUE(got);
        EXPECT_TRUE(got->alone);
        EXPECT_EQ(got->arguments, each);
    }
    EXPECT_TRUE(read({}, {"--help"})->alone);
}

TEST(claude_arguments, other_formats_are_refused_with_the_reason)
{
    for (const auto& each : {words{"--output-format", "json"}, words{"--input-format=text"}})
        EXPECT_NE(read(each).error().detail.find("go with -p only"), std::string::npos);
}

RC_GTEST_PROP(claude_arguments, any_help_and_any_words_are_read, ())
{
    const auto text =
        *rc::gen::container<std::string>(rc::gen::element('-', ' ', '\n', '<', '.', '>', '[', ']', ':', 'O', ','));
    const auto some = read_manual("Options:\n" + text + "\nCommands:\n" + text);
    const auto given =
        *rc::gen::container<words>(rc::gen::element<std::string>("-c", "--model", "a b", "word", "-", ""));
    const auto got = read_invocation(given, {}, some, own);
    if (got)
        RC_ASSERT(got->arguments.size() + (got->prompt.empty() ? 0 : 1) >= given.size());
}
