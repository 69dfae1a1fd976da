#include "agent_limits.hpp"
#include "agent_state.hpp"
#include "command_line.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/qr_code.hpp"
#include "consortium/e2ee/act.hpp"
#include "hardening.hpp"
#include "held_messages.hpp"
#include "screen.hpp"
#include "trim_line.hpp"
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

question asking(const std::string& id, const std::string& command = "make")
{
    question out;
    out.request_id = "r-" + id;
    out.tool = "Bash";
    out.tool_use_id = id;
    out.arguments = {{"command", command}};
    return out;
}

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

TEST(agent_state, shows_open_questions_as_one_text_each)
{
    agent_state state("/project");
    const auto* first = state.ask(asking("t1"), 10).value();
    EXPECT_FALSE(state.needs_message("t1"));
    ASSERT_TRUE(state.ask(asking("t2"), 11));
    EXPECT_EQ(state.id_of_request("r-t2"), "t2");
    EXPECT_EQ(state.find("t3"), nullptr);
    EXPECT_EQ(first->hash, e2ee::ask_hash(first->ask));
    const auto shown = state.to_json();
    EXPECT_FALSE(shown.contains("completedRequests"));
    EXPECT_EQ(shown.at("requests").at("t1"), json::value({{"ask", first->ask}, {"createdAt", 10}}));
    const auto ask = json::parse(first->ask);
    EXPECT_EQ(ask.at("arguments").at("command"), "make");
    EXPECT_EQ(ask.at("cwd"), "/project");
    state.close("t1");
    EXPECT_FALSE(state.to_json().at("requests").as_object().contains("t1"));
}

TEST(agent_state, the_same_question_asked_again_is_another_text)
{
    agent_state state("/project");
    const auto before = state.ask(asking("t1"), 10).value()->hash;
    EXPECT_NE(state.ask(asking("t1"), 11).value()->hash, before) << "a verdict on the first does not fit the second";
}

// Goal: no question takes the place of another that waits: Claude would wait for that one's answer for ever.
TEST(agent_state, two_questions_about_one_call_are_both_open)
{
    agent_state state("/project");
    auto second = asking("t1");
    second.request_id = "another";
    second.tool = "Network";
    const auto first = state.ask(asking("t1"), 10).value()->hash;
    ASSERT_TRUE(state.ask(second, 11));
    EXPECT_EQ(state.id_of_request("r-t1"), "t1");
    EXPECT_EQ(state.id_of_request("another"), "another");
    EXPECT_EQ(state.find("t1")->hash, first);
    EXPECT_EQ(json::parse(state.find("another")->ask).at("id"), "another") << "what is signed names it so too";

    auto named_like_another = asking("t1");
    named_like_another.request_id = "t9";
    ASSERT_TRUE(state.ask(asking("t9"), 12));
    EXPECT_EQ(state.ask(named_like_another, 13).error(), errc::conflict);
    EXPECT_EQ(state.find("t1")->hash, first);
}

TEST(agent_state, a_large_question_travels_as_a_message)
{
    agent_state state("/project");
    const auto hash = state.ask(asking("t1", std::string(limits::ask_in_state_bytes_max, 'x')), 10).value()->hash;
    ASSERT_TRUE(state.needs_message("t1"));
    state.in_message("t1", "an id");
    EXPECT_FALSE(state.needs_message("t1"));
    EXPECT_EQ(
        state.to_json().at("requests").at("t1"),
        json::value({{"ask", nullptr}, {"hash", hash}, {"in", "an id"}, {"createdAt", 10}}));
}

// Goal: whatever is asked, the state stays small. Method: many questions that are each just small enough.
TEST(agent_state, stays_small_by_construction)
{
    agent_state state("/project");
    std::size_t refused = 0;
    for (int i = 0; i < 400; ++i)
    {
        const auto id = "t" + std::to_string(i);
        if (!state.ask(asking(id, std::string(2'400, '"')), i))
            ++refused;
        if (state.needs_message(id))
            state.in_message(id, "an id of some length");
        ASSERT_LE(json::serialize(state.to_json()).size(), limits::asks_state_bytes_max + (64u << 10));
    }
    EXPECT_EQ(refused, 400 - limits::asks_open_max);
}

TEST(agent_state, what_nobody_can_be_shown_is_not_asked)
{
    agent_state state("/project");
    EXPECT_TRUE(state.ask(asking("t1", std::string(limits::ask_bytes_max - 1000, 'x')), 10));
    EXPECT_EQ(state.ask(asking("t2", std::string(limits::ask_bytes_max, 'x')), 10).error(), errc::too_large);
    // One of quotes alone grows with each time that it is written into another text.
    EXPECT_EQ(state.ask(asking("t3", std::string(limits::ask_bytes_max / 2 - 1000, '"')), 10).error(), errc::too_large);
    EXPECT_EQ(state.find("t2"), nullptr);
    EXPECT_EQ(state.ask(asking(std::string(limits::ask_id_bytes_max + 1, 'i')), 10).error(), errc::too_large);
}

// Goal: no text of Claude's makes the state too large for a relay. Method: everything at once, as large as it comes.
TEST(agent_state, stays_below_what_a_relay_takes_whatever_things_are_called)
{
    agent_state state("/project");
    const auto control = [](char first, int i) { return std::string(1, first) + std::to_string(i); };
    for (std::size_t i = 0; i < limits::asks_open_max; ++i)
    {
        auto id = control('t', static_cast<int>(i));
        id.resize(limits::ask_id_bytes_max, '\x1f'); // six bytes each once it is written
        if (state.ask(asking(id, std::string(2'400, '"')), 1) && state.needs_message(id))
            state.in_message(id, base64_encode(bytes(16)));
    }
    state.set_mode(std::string(2u << 20, '\x1f'));
    state.set_model(std::string(2u << 20, '\xff'));
    std::vector<background_task> tasks;
    for (int i = 0; i < 1000; ++i)
        tasks.push_back({control('b', i), "local_bash", std::string(100'000, '\x1f')});
    state.set_background(tasks, 5);
    const auto shown = state.to_json();
    const auto base64_size = json::serialize(shown).size() / 3 * 4;
    EXPECT_LT(base64_size + (64u << 10), limits::state_bytes_max) << "with what is held, and the seal";
    EXPECT_EQ(shown.at("background").as_array().size(), limits::background_tasks_max);
    EXPECT_EQ(shown.at("backgroundMore"), 1000 - limits::background_tasks_max);
}

TEST(agent_state, what_runs_in_the_background_counts_from_when_it_was_first_seen)
{
    agent_state state("/project");
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
