#include "base/agent_limits.hpp"
#include "base/hardening.hpp"
#include "base/trim_line.hpp"
#include "commands/command_line.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/qr_code.hpp"
#include "consortium/e2ee/act.hpp"
#include "link/held_messages.hpp"
#include "session/agent_state.hpp"
#include "terminal/screen.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace consortium;
using namespace consortium::agent;
namespace json = boost::json;

namespace
{

using words = std::vector<std::string>;

} // namespace

TEST(command_line, what_is_not_ours_goes_to_claude_unchanged)
{
    EXPECT_EQ(parse_command_line({})->what, command::run);
    EXPECT_EQ(parse_command_line({"--model", "opus"})->for_claude, (words{"--model", "opus"}));
    EXPECT_EQ(parse_command_line({"--", "--help"})->for_claude_behind, words{"--help"});
    EXPECT_EQ(parse_command_line({"--", "--help"})->what, command::run);
    EXPECT_EQ(parse_command_line({"--model", "opus", "--help"})->for_claude, (words{"--model", "opus", "--help"}));
    EXPECT_EQ(parse_command_line({"--", "auth", "login"})->for_claude_behind, (words{"auth", "login"}));
    const auto mixed = parse_command_line({"--new", "--diagnostics", "f", "-c", "--", "x"});
    ASSERT_TRUE(mixed);
    EXPECT_TRUE(mixed->fresh);
    EXPECT_EQ(mixed->diagnostics, "f");
    EXPECT_EQ(mixed->for_claude, words{"-c"});
    EXPECT_EQ(mixed->for_claude_behind, words{"x"});
}

TEST(command_line, knows_its_own)
{
    EXPECT_EQ(parse_command_line({"trash"})->what, command::trash);
    EXPECT_EQ(parse_command_line({"trash", "restore", "id"})->what, command::restore);
    EXPECT_EQ(parse_command_line({"trash", "restore", "id"})->session, "id");
    EXPECT_EQ(parse_command_line({"trash", "restore"}).error(), errc::bad_request);
    EXPECT_TRUE(parse_command_line({"--insecure", "auth", "login"})->insecure);
    EXPECT_TRUE(parse_command_line({"--insecure", "-c"})->insecure);
    EXPECT_FALSE(parse_command_line({"-c", "--insecure"})->insecure) << "that is Claude's";
    EXPECT_EQ(parse_command_line({"auth", "login"})->what, command::login);
    EXPECT_EQ(parse_command_line({"auth", "logout"})->what, command::logout);
    EXPECT_EQ(parse_command_line({"auth", "status"})->what, command::status);
    EXPECT_EQ(parse_command_line({"--version"})->what, command::version);
    const auto help = parse_command_line({"--help"});
    EXPECT_EQ(help->what, command::help);
    EXPECT_NE(help->text.find("CONSORTIUM_SERVER_URL"), std::string::npos);
    EXPECT_EQ(parse_command_line({"auth"}).error(), errc::bad_request);
    EXPECT_EQ(parse_command_line({"auth", "nonsense"}).error(), errc::bad_request);
    EXPECT_EQ(parse_command_line({"--diagnostics"}).error(), errc::bad_request);
    EXPECT_EQ(parse_command_line({"--diagnostics=f", "auth", "status"})->diagnostics, "f");
    EXPECT_EQ(parse_command_line({})->own_commands, (words{"auth", "log", "trash"}));
}

TEST(hardening, nobody_looks_into_the_process)
{
    const auto closed = []
    {
        close_to_others();
        rlimit core{};
        ::getrlimit(RLIMIT_CORE, &core);
        ::_exit(::prctl(PR_GET_DUMPABLE) == 0 && core.rlim_cur == 0 ? 0 : 1);
    };
    EXPECT_EXIT(closed(), ::testing::ExitedWithCode(0), "");
}

// Goal: what is not our own text cannot be printed as if it were.
TEST(screen, takes_own_text_and_foreign_text_as_different_types)
{
    static_assert(!std::is_convertible_v<std::string, own_text>);
    static_assert(!std::is_convertible_v<const char*, own_text>);
    static_assert(!std::is_convertible_v<std::string_view, own_text>);
    static_assert(!std::is_constructible_v<own_text, char(&)[20]>);
    EXPECT_EQ(("Relay  " + foreign("x\033]52;c;y\a\nz")).view(), "Relay  x<U+001B>]52;c;y<U+0007> z");
    EXPECT_LE(foreign(std::string(5000, 'x')).view().size(), 300 + std::string("…").size());
}

// Goal: more than its bound is never held, and nothing is lost by that but the need to read again.
TEST(held_messages, are_bounded_and_read_again_beyond)
{
    held_messages held;
    std::size_t most = 0;
    for (int i = 1; i <= 60; ++i)
    {
        held.add({std::string(1u << 20, 'x'), i});
        most = std::max(most, held.bytes());
    }
    EXPECT_LE(most, limits::held_bytes_max);
    EXPECT_TRUE(held.overflown());
    EXPECT_TRUE(held.take().empty()) << "part of them would look like all";
    held.read_again();
    held.add({"a", 61});
    held.add({"b", 62});
    EXPECT_FALSE(held.overflown());
    const auto taken = held.take();
    ASSERT_EQ(taken.size(), 2u);
    EXPECT_EQ(taken[1].seq, 62);
    for (int i = 0; i < 1'000'000; ++i)
        held.add({"", i});
    EXPECT_TRUE(held.overflown()) << "many small ones are much too";
}

// Goal: only what is asked for is kept of a message, whatever else it carries.
TEST(held_messages, keep_no_more_of_a_message_than_its_bundle)
{
    const auto one = stored_message::of(
        unchecked({{"seq", 3}, {"more", std::string(1000, 'x')}, {"content", json::object{{"c", "bundle"}}}}));
    EXPECT_EQ(one.content, "bundle");
    EXPECT_EQ(one.seq, 3);
    EXPECT_EQ(stored_message::of(unchecked()).content, "");
}

TEST(trim_line, leaves_ordinary_lines_alone_and_cuts_what_does_not_fit)
{
    json::object small{{"type", "assistant"}, {"text", std::string(100'000, 'x')}};
    const auto before = small;
    trim_line(small);
    EXPECT_EQ(small, before);

    json::object large{{"type", "user"}, {"content", json::array{json::object{{"text", std::string(20u << 20, 'x')}}}}};
    trim_line(large);
    const auto text = json::serialize(large);
    EXPECT_LT(text.size() * 4 / 3 + 1000, limits::message_bytes_max);
    EXPECT_NE(text.find("more bytes were not relayed"), std::string::npos);
    EXPECT_EQ(large.at("type"), "user");
}

// Goal: what is said to be left out is what is left out. Method: so many large texts that they are cut further.
TEST(trim_line, counts_all_that_it_leaves_out)
{
    constexpr std::size_t size = 6u << 20;
    json::object line;
    for (const auto* name : {"a", "b", "c", "d", "e"})
        line[name] = std::string(size, 'x');
    trim_line(line);
    for (const auto& [name, value] : line)
    {
        const auto text = std::string_view(value.as_string());
        const auto kept = text.find("\n… ");
        ASSERT_NE(kept, std::string_view::npos);
        EXPECT_EQ(text.substr(kept), "\n… " + std::to_string(size - kept) + " more bytes were not relayed");
    }
}

TEST(agent_state, what_runs_in_the_background_counts_from_when_it_was_first_seen)
{
    agent_state state;
    state.set_background({{"a", "local_bash", "Serve"}}, 10);
    state.set_background({{"a", "local_bash", "Serve"}, {"b", "local_agent", "Long work"}}, 20);
    const auto both = state.to_json().at("background").as_array();
    ASSERT_EQ(both.size(), 2u);
    EXPECT_EQ(both[0], json::value({{"id", "a"}, {"type", "local_bash"}, {"what", "Serve"}, {"since", 10}}));
    EXPECT_EQ(both[1].at("since"), 20);
    state.set_background({}, 30);
    EXPECT_TRUE(state.to_json().at("background").as_array().empty());
}

TEST(qr_code, holds_a_pairing_link)
{
    const std::string link =
        "https://relay.example:3005/pair#v=2&pk=" + std::string(43, 'A') + "&s=" + std::string(43, 'B');
    const auto code = qr_code(link);
    EXPECT_NE(code.find("█"), std::string::npos);
    EXPECT_GT(std::ranges::count(code, '\n'), 20);
    EXPECT_LT(std::ranges::count(code, '\n'), 40);
    EXPECT_TRUE(qr_code(std::string(10'000, 'x')).empty());
}
