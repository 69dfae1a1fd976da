#include "agent/fresh_directory.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "drivers/claude/conversation.hpp"
#include "drivers/claude/line_buffer.hpp"
#include "drivers/claude/locate.hpp"
#include "drivers/claude/partial_text.hpp"
#include "drivers/claude/transcript.hpp"
#include "drivers/claude_pipe.hpp"
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent::claude;
using consortium::agent::flag_at;
using consortium::agent::text_at;
namespace json = boost::json;

RC_GTEST_PROP(claude_line_buffer, gives_the_same_lines_however_they_arrive, ())
{
    const auto lines =
        *rc::gen::container<std::vector<std::string>>(rc::gen::container<std::string>(rc::gen::inRange('a', 'z')));
    std::string all;
    for (const auto& each : lines)
        all += each + "\n";
    all += "half";

    line_buffer buffer;
    std::vector<std::string> got;
    std::size_t at = 0;
    while (at < all.size())
    {
        const auto size = std::min(all.size() - at, *rc::gen::inRange<std::size_t>(1, 20));
        const auto room = buffer.prepare(size);
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
        buffer.commit(size);
        at += size;
        while (const auto line = buffer.next())
            got.emplace_back(*line);
    }
    RC_ASSERT(got == lines);
    RC_ASSERT(buffer.held() == 4u);
}

TEST(claude_partial_text, counts_as_javascript_does)
{
    EXPECT_EQ(utf16_units(""), 0u);
    EXPECT_EQ(utf16_units("abc"), 3u);
    EXPECT_EQ(utf16_units("äö"), 2u);
    EXPECT_EQ(utf16_units("€"), 1u);
    EXPECT_EQ(utf16_units("😀"), 2u);
}

TEST(claude_partial_text, follows_the_blocks_of_a_message)
{
    partial_tracker tracker;
    const auto event = [&](const char* text) { tracker.on_event(json::parse(text).as_object()); };
    event(R"({"type":"message_start","message":{"id":"m"}})");
    event(R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking"}})");
    event(R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm😀"}})");
    event(R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}})");
    event(R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"so"}})");
    auto pieces = tracker.take();
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].block, "m:0");
    EXPECT_EQ(pieces[0].text, "hm😀so");
    EXPECT_EQ(pieces[0].kind, "thinking");
    EXPECT_EQ(pieces[0].offset, 0u);

    event(R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"!"}})");
    pieces = tracker.take();
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].offset, 6u);

    EXPECT_EQ(tracker.finish_block("m"), "m:0");
    event(R"({"type":"content_block_stop","index":0})");
    event(R"({"type":"content_block_start","index":1,"content_block":{"type":"text"}})");
    event(R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Yes"}})");
    EXPECT_TRUE(tracker.pending());
    EXPECT_EQ(tracker.finish_block("m"), "m:1");
    EXPECT_FALSE(tracker.pending()) << "the finished line has what was not sent";
}

TEST(claude_partial_text, counts_lines_of_a_message_that_was_not_streamed)
{
    partial_tracker tracker;
    EXPECT_EQ(tracker.finish_block("x"), "x:0");
    EXPECT_EQ(tracker.finish_block("x"), "x:1");
    EXPECT_EQ(tracker.finish_block("y"), "y:0");
}

class claude_locate : public ::testing::Test
{
protected:
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "consortium-locate-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        home = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(home); }
    std::filesystem::path program(const std::filesystem::path& below)
    {
        const auto path = home / below;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << "#!/bin/sh\n";
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path;
    }
    result<std::filesystem::path> find()
    {
        return locate(
            [this](const char* name) -> const char*
            {
                const auto found = variables.find(name);
                return found == variables.end() ? nullptr : found->second.c_str();
            });
    }
    std::filesystem::path home;
    std::map<std::string, std::string> variables;
};

TEST_F(claude_locate, prefers_the_named_one_then_path_then_home)
{
    const auto local = program(".claude/local/claude");
    const auto path = program("bin/claude");
    const auto named = program("other/my-claude");
    variables["HOME"] = home;
    EXPECT_EQ(find().value(), local);
    EXPECT_EQ((program(".local/bin/claude"), find().value()), home / ".local/bin/claude");
    variables["PATH"] = "/nonexistent::" + (home / "bin").string();
    EXPECT_EQ(find().value(), path);
    variables["CONSORTIUM_CLAUDE"] = named;
    EXPECT_EQ(find().value(), named);
}

TEST_F(claude_locate, says_how_to_install_it_when_it_is_missing)
{
    variables["HOME"] = home;
    const auto none = find();
    ASSERT_EQ(none.error(), errc::not_found);
    EXPECT_NE(none.error().detail.find("npm install -g @anthropic-ai/claude-code"), std::string::npos);
    variables["CONSORTIUM_CLAUDE"] = home / "none";
    EXPECT_EQ(find().error(), errc::not_found);
}

TEST(claude_environment, leaves_out_what_belongs_to_a_session_around_us)
{
    std::vector<std::string> given{
        "PATH=/bin",
        "CLAUDECODE=1",
        "CLAUDE_CODE_ENTRYPOINT=cli",
        "CLAUDE_CODE_SESSION_ID=x",
        "ANTHROPIC_API_KEY=k",
        "CLAUDE_CODE_USE_BEDROCK=1",
        "CLAUDE_CODE_SSE_PORT=1",
        "CONSORTIUM_HOME=/home/me/.keys",
        "CONSORTIUM_SERVER_URL=https://relay",
        "CONSORTIUM_LATER="};
    std::vector<char*> pointers;
    for (auto& each : given)
        pointers.push_back(each.data());
    pointers.push_back(nullptr);
    const std::vector<std::string> wanted{
        "PATH=/bin", "ANTHROPIC_API_KEY=k", "CLAUDE_CODE_USE_BEDROCK=1", "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS=1"};
    EXPECT_EQ(child_environment(pointers.data()), wanted);
}

TEST(claude_arguments, are_the_users_after_ours)
{
    const auto fresh = remote_arguments({"--model", "opus"}, std::nullopt, "id");
    EXPECT_EQ(
        std::vector<std::string>(fresh.end() - 4, fresh.end()),
        (std::vector<std::string>{"--session-id", "id", "--model", "opus"}));
    const auto resumed = remote_arguments({}, "old", "id");
    EXPECT_EQ(
        std::vector<std::string>(resumed.end() - 2, resumed.end()), (std::vector<std::string>{"--resume", "old"}));
    EXPECT_TRUE(chooses_session({"-c"}));
    EXPECT_TRUE(chooses_session({"--resume=abc"}));
    EXPECT_FALSE(chooses_session({"--model", "opus"}));
}

namespace
{

/// A conversation on disk, in the words of Claude Code 2.1.330.
struct claude_transcript : ::testing::Test
{
    static std::string user(const std::string& uuid)
    {
        return R"({"parentUuid":null,"isSidechain":false,"type":"user","message":{"role":"user","content":"words"},"uuid":")" +
               uuid + "\"}\n";
    }
    static inline const std::string answer =
        R"({"parentUuid":"x","isSidechain":false,"message":{"role":"assistant","content":[]},"type":"assistant","uuid":"y"})"
        "\n";
    static inline const std::string other = R"({"type":"queue-operation","operation":"dequeue","content":"words"})"
                                            "\n"
                                            R"({"attachment":{"type":"date"},"type":"attachment","uuid":"z"})"
                                            "\n";

    /// What is left of the file, when "p" and "q" are in hand.
    std::string after(const std::string& content, const std::optional<std::string>& taken)
    {
        const auto file = place.path() / "t.jsonl";
        std::ofstream(file, std::ios::binary) << content;
        EXPECT_EQ(take_back_unanswered(file, {"p", "q"}).value(), taken);
        std::ifstream left(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(left), {}};
    }

    consortium::agent::testing::fresh_directory place;
};

} // namespace

TEST_F(claude_transcript, is_cut_before_a_prompt_in_hand_that_has_no_answer)
{
    const auto before = other + user("o") + answer + other;
    EXPECT_EQ(after(before + user("p"), "p"), before);
    EXPECT_EQ(after(before + user("p") + other, "p"), before);
    EXPECT_EQ(after(before + user("p") + R"({"type":"assistant","half a li)", "p"), before);
    EXPECT_EQ(after(user("q"), "q"), "");
    // The only one that may be unanswered is the last.
    EXPECT_EQ(after(user("p") + user("q") + other, "q"), user("p"));
}

TEST_F(claude_transcript, stays_as_it_is_where_nothing_would_stand_twice)
{
    const auto side = R"({"isSidechain":true,"type":"user","message":{"role":"user","content":"words"},"uuid":"p"})"
                      "\n";
    for (const auto& each :
         {std::string(), other, user("p") + answer, user("p") + answer + user("stranger"), user("stranger"),
          user("p") + other + answer + other, user("p") + answer + side, user("p").substr(0, 60)})
        EXPECT_EQ(after(each, std::nullopt), each);
}

TEST(claude_conversation, is_chosen_by_the_words_for_claude)
{
    using kind = conversation_choice::kind;
    const auto read = [](std::vector<std::string> words)
    {
        auto out = read_choice(words);
        return std::tuple(out.what, out.id, out.copied, out.arguments);
    };
    using words = std::vector<std::string>;
    EXPECT_EQ(read({"--model", "opus"}), std::tuple(kind::none, "", false, words{"--model", "opus"}));
    EXPECT_EQ(read({"--resume", "x", "--model", "m"}), std::tuple(kind::named, "x", false, words{"--model", "m"}));
    EXPECT_EQ(read({"--model", "m", "-r=x"}), std::tuple(kind::named, "x", false, words{"--model", "m"}));
    EXPECT_EQ(read({"--resume", "--verbose"}), std::tuple(kind::unnamed, "", false, words{"--verbose"}));
    EXPECT_EQ(read({"-c"}), std::tuple(kind::newest, "", false, words{}));
    EXPECT_EQ(
        read({"--resume", "x", "--fork-session", "--session-id", "y"}),
        std::tuple(kind::named, "x", true, words{"--session-id", "y"}));
    EXPECT_EQ(read({"--session-id", "y", "-d"}), std::tuple(kind::other, "", false, words{"--session-id", "y", "-d"}));
}

TEST_F(claude_transcript, of_the_newest_conversation_of_a_folder_is_found)
{
    const std::vector<std::string> environment{"HOME=" + place.path().string()};
    const auto project = place.path() / "a b.\u00e9\U0001F600";
    std::filesystem::create_directories(project);
    std::string name = std::filesystem::canonical(place.path()).string() + "/a b.eee";
    for (auto& c : name)
        c = std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
    const auto folder = place.path() / ".claude/projects" / (name.substr(0, name.size() - 3) + "---");
    std::filesystem::create_directories(folder);
    EXPECT_FALSE(newest_conversation(environment, project));
    const auto ids = std::array{
        "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002",
        "00000000-0000-4000-8000-000000000003"};
    const auto now = std::filesystem::file_time_type::clock::now();
    for (std::size_t i = 0; i < ids.size(); ++i)
    {
        const auto file = folder / (std::string(ids[i]) + ".jsonl");
        std::ofstream(file) << (i == 2 ? other : user("u")); // the newest has no prompt, and cannot be resumed
        std::filesystem::last_write_time(file, now + std::chrono::seconds(i));
    }
    std::ofstream(folder / "agent-1.jsonl") << user("u");
    std::filesystem::last_write_time(folder / "agent-1.jsonl", now + std::chrono::hours(1));
    EXPECT_EQ(newest_conversation(environment, project), ids[1]);
}

// Goal: the conversations of a folder are found however long its path is. The names are those of Claude Code 2.1.330.
TEST(claude_folder, of_a_long_path_is_named_as_claude_names_it)
{
    const auto times = [](std::string_view what, int count)
    {
        std::string out;
        for (int i = 0; i < count; ++i)
            out += what;
        return out;
    };
    EXPECT_EQ(folder_name("/" + times("a", 199)), "-" + times("a", 199));
    EXPECT_EQ(folder_name("/" + times("a", 200)), "-" + times("a", 199) + "-b6ymvl");
    EXPECT_EQ(folder_name("/home/a_b/" + times("long/", 50)), "-home-a-b-" + times("long-", 38) + "-nrtr4k");
    EXPECT_EQ(folder_name("/p/" + times("\u00fc\U0001d4b3/", 60)), "-p-" + times("-", 197) + "-10enl2");
}

TEST_F(claude_transcript, of_the_newest_conversation_of_a_folder_with_a_long_path_is_found)
{
    const std::vector<std::string> environment{"HOME=" + place.path().string()};
    const auto project = place.path() / std::string(120, 'a') / std::string(120, 'b');
    std::filesystem::create_directories(project);
    const auto folder = place.path() / ".claude/projects" / folder_name(std::filesystem::canonical(project).string());
    std::filesystem::create_directories(folder);
    const std::string id = "00000000-0000-4000-8000-000000000001";
    std::ofstream(folder / (id + ".jsonl")) << user("u");
    EXPECT_EQ(newest_conversation(environment, project), id);
}

// Goal: what was said before comes in the form of Claude's output, bounded, in order, and nothing else of the record.
TEST_F(claude_transcript, is_told_as_output_lines)
{
    const auto file = place.path() / "t.jsonl";
    const auto at = [](int second)
    { return ",\"timestamp\":\"2026-11-23T05:27:0" + std::to_string(second) + ".616Z\""; };
    std::ofstream(file, std::ios::binary)
        << other << R"({"type":"user","uuid":"u1","message":{"role":"user","content":"fix it"})" << at(1) << "}\n"
        << R"({"type":"assistant","uuid":"a1","message":{"content":[{"type":"text","text":"ok"}]})" << at(2) << "}\n"
        << R"({"type":"user","isSidechain":true,"uuid":"s1","message":{"content":"aside"})" << at(3) << "}\n"
        << R"({"type":"system","subtype":"turn_duration","uuid":"d1")" << at(3) << "}\n"
        << R"({"type":"system","subtype":"compact_boundary","uuid":"c1")" << at(4) << "}\n"
        << R"({"type":"user","isCompactSummary":true,"uuid":"u2","message":{"content":"in short"})" << at(5) << "}\n"
        << R"({"type":"user","uuid":"u3","toolUseResult":{"interrupted":true},"permissionDecision":{"decision":"reject"},"message":{"content":[{"type":"tool_result",)"
        << R"("content":[{"type":"image","source":{"data":")" << std::string(200'000, 'A') << R"("}}]}]})" << at(6)
        << "}\n"
        << R"({"type":"user","uuid":"half)";
    const auto all = read_earlier(file, 0).value();
    std::vector<std::string> ids;
    for (const auto& each : all.lines)
        ids.push_back(text_at(each, "uuid"));
    EXPECT_EQ(ids, (std::vector<std::string>{"u1", "a1", "c1", "u2", "u3"}));
    EXPECT_EQ(all.left_out, 0u);
    EXPECT_TRUE(flag_at(all.lines[3], "isSynthetic"));
    const auto last = boost::json::serialize(all.lines[4]);
    EXPECT_NE(last.find("[image]"), std::string::npos);
    EXPECT_NE(last.find(R"("permission_decision":{"decision":"reject"})"), std::string::npos);
    EXPECT_NE(last.find(R"("tool_use_result":{"interrupted":true})"), std::string::npos);
    EXPECT_LT(last.size(), 1000u);
    // 05:27:04.616 is when Consortium's own session had ended.
    EXPECT_EQ(read_earlier(file, 1795411624616).value().lines.size(), 2u);
    EXPECT_FALSE(read_earlier(place.path() / "none", 0));
}

TEST_F(claude_transcript, of_any_size_is_told_within_bounds)
{
    const auto file = place.path() / "t.jsonl";
    std::ofstream(file, std::ios::binary)
        << R"({"type":"assistant","uuid":"large","message":{"content":[{"type":"text","text":")"
        << std::string(3u << 20, 'x') << "\"}]}}\n";
    const auto one = read_earlier(file, 0).value();
    ASSERT_EQ(one.lines.size(), 1u);
    EXPECT_LE(boost::json::serialize(one.lines[0]).size(), limits::earlier_line_bytes_max);
    {
        std::ofstream more(file, std::ios::binary | std::ios::app);
        for (std::size_t i = 0; i < limits::earlier_lines_max; ++i)
            more << user("n" + std::to_string(i));
    }
    const auto many = read_earlier(file, 0).value();
    EXPECT_EQ(many.lines.size(), limits::earlier_lines_max);
    EXPECT_EQ(many.left_out, 1u);
    EXPECT_EQ(text_at(many.lines[0], "uuid"), "n0");
}

RC_GTEST_PROP(claude_earlier, of_any_bytes_is_read_without_a_fault, (const std::vector<std::string>& lines))
{
    const consortium::agent::testing::fresh_directory place;
    const auto file = place.path() / "t.jsonl";
    std::ofstream out(file, std::ios::binary);
    for (const auto& each : lines)
        out << R"({"type":"user",)" << each << "}\n";
    out.close();
    const auto read = read_earlier(file, 0);
    RC_ASSERT(read.has_value());
    RC_ASSERT(read->lines.size() <= lines.size() * 2);
}

TEST_F(claude_transcript, is_found_by_its_conversation)
{
    std::filesystem::create_directories(place.path() / ".claude/projects/-some-folder");
    const auto file = place.path() / ".claude/projects/-some-folder/id.jsonl";
    std::ofstream(file) << other;
    EXPECT_EQ(find_transcript({"X=1", "HOME=" + place.path().string()}, "id"), file);
    EXPECT_EQ(
        find_transcript({"HOME=/nowhere", "CLAUDE_CONFIG_DIR=" + (place.path() / ".claude").string()}, "id"), file);
    EXPECT_FALSE(find_transcript({"HOME=" + place.path().string()}, "other"));
    EXPECT_FALSE(find_transcript({}, "id"));
}
