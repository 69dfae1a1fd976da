#include "terminal/typed_keys.hpp"
#include <gtest/gtest.h>
#include <random>

using namespace consortium::agent;
using namespace std::chrono_literals;

namespace
{

class keys_of_a_person : public ::testing::Test
{
protected:
    bool take(std::string_view bytes, std::chrono::milliseconds later = 10ms)
    {
        now += later;
        return keys.take(bytes, now);
    }

    typed_keys keys;
    typed_keys::clock::time_point now = typed_keys::clock::now();
};

TEST_F(keys_of_a_person, what_is_typed_is_a_draft_until_it_is_sent)
{
    EXPECT_FALSE(keys.draft());
    EXPECT_TRUE(take("h"));
    EXPECT_TRUE(keys.draft());
    take("ello");
    EXPECT_TRUE(keys.draft());
    take("\r");
    EXPECT_FALSE(keys.draft());
    take("again\x03");
    EXPECT_FALSE(keys.draft());
    take("again\x15");
    EXPECT_FALSE(keys.draft());
}

TEST_F(keys_of_a_person, what_was_erased_is_none_while_all_of_it_is_known)
{
    take("h\xc3\xa9");
    take("\177");
    EXPECT_TRUE(keys.draft());
    take("\177");
    EXPECT_FALSE(keys.draft());
    take("\177");
    take("ab\033[D\177"); // to the left, and what was erased is the a
    EXPECT_TRUE(keys.draft());
    take("\177");
    EXPECT_TRUE(keys.draft());
}

TEST_F(keys_of_a_person, enter_that_sends_nothing_ends_no_draft)
{
    for (const auto* line : {"a\\\r", "a\033\r", "a\n", "a\033[13;2u", "look at @src\r", "a\033[27;2;13~"})
    {
        keys.clear();
        take(line);
        EXPECT_TRUE(keys.draft()) << line;
    }
    take("\033[13u");
    keys.clear();
    take("a\033[13u");
    EXPECT_FALSE(keys.draft());
    take("a\033OM");
    EXPECT_FALSE(keys.draft());
}

TEST_F(keys_of_a_person, what_may_bring_something_is_a_draft)
{
    for (const auto* key : {"\033[A", "\033OA", "\t", "\x19", "\x12", "\033[97u", "\033v", "\033[200~x\033[201~"})
    {
        keys.clear();
        EXPECT_TRUE(take(key)) << key + 1;
        EXPECT_TRUE(keys.draft()) << key + 1;
    }
    for (const auto* key : {"\033", "\033[Z", "\033[D", "\x0f", "\x14", "\x1a", "\033[99;5u", "\033[27u"})
    {
        keys.clear();
        EXPECT_TRUE(take(key, 1s)) << key + 1;
        EXPECT_FALSE(keys.draft()) << key + 1;
    }
    keys.clear();
    take("\033[97;1:3u"); // released
    EXPECT_FALSE(keys.draft());
}

TEST_F(keys_of_a_person, what_a_terminal_says_by_itself_is_no_key)
{
    for (const std::string said :
         {"\033[I", "\033[O", "\033[<35;12;9M", "\033[<0;12;9m", "\033[M !!", "\033[12;40R", "\033[?62;22c",
          "\033[>41;320;0c", "\033[?1u", "\033]11;rgb:1e1e/1e1e/1e1e\033\\", "\033]11;rgb:1e1e/1e1e/1e1e\007",
          "\033P>|tmux 3.3a\033\\", "\033[?2026;2$y", "\033[?997;1n", "\033[8;30;90t"})
    {
        keys.clear();
        EXPECT_FALSE(take(said, 1s)) << said.substr(1);
        EXPECT_FALSE(keys.draft()) << said.substr(1);
        // In two pieces it is one too, but for one that ends behind Escape, which is a key.
        for (std::size_t cut = 2; cut < said.size(); ++cut)
        {
            if (said[cut - 1] == '\033')
                continue;
            keys.clear();
            EXPECT_FALSE(take(said.substr(0, cut), 1s)) << said.substr(1) << " cut at " << cut;
            EXPECT_FALSE(take(said.substr(cut))) << said.substr(1) << " cut at " << cut;
            EXPECT_FALSE(keys.draft()) << said.substr(1) << " cut at " << cut;
        }
    }
}

// Goal: Alt-] begins what looks like an answer of the terminal, but the keys behind it are seen.
TEST_F(keys_of_a_person, what_only_looks_like_an_answer_hides_no_keys)
{
    take("\033]");
    EXPECT_TRUE(keys.draft());
    EXPECT_TRUE(take("h", 1s));
    EXPECT_TRUE(keys.draft());
    take("\r", 1s);
    EXPECT_FALSE(keys.draft());
}

// Goal: whatever came, a person who types and does not send has a draft.
TEST_F(keys_of_a_person, after_any_bytes_a_letter_is_a_draft)
{
    for (unsigned seed = 0; seed < 3000; ++seed)
    {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        keys = {};
        for (int piece = 0; piece < 5; ++piece)
        {
            std::string bytes(random() % 12, ' ');
            for (auto& each : bytes)
                each = random() % 3 == 0 ? "\033[]<;?M~u\r\177@\\O"[random() % 15] : static_cast<char>(random());
            take(bytes);
        }
        EXPECT_TRUE(take("x", 1s));
        ASSERT_TRUE(keys.draft());
    }
}

} // namespace
