#include "auth/challenges.hpp"
#include "consortium/common/base64.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

class challenges_test : public ::testing::Test
{
protected:
    static void SetUpTestSuite() { init_crypto(); }

    manual_clock clock{1'700'000'000'000};
    challenge_book book{clock};
    const byte_array<32> key{1, 2, 3};
};

TEST_F(challenges_test, has_the_five_lines_of_the_definition)
{
    const auto made = book.make("http://localhost:3005", key);
    EXPECT_EQ(made.expires_at, clock.now() + 60'000);
    const auto all = std::string(text(made.text));
    const auto last = all.rfind('\n');
    EXPECT_EQ(
        all.substr(0, last), "consortium-login-1\nhttp://localhost:3005\n" + base64_encode(key) + "\n1700000060000");
    EXPECT_EQ(base64_decode(all.substr(last + 1))->size(), 32u);
}

TEST_F(challenges_test, is_good_once)
{
    const auto made = book.make("http://localhost", key);
    EXPECT_TRUE(book.check(made.text, key));
    EXPECT_TRUE(book.use(made.text));
    EXPECT_EQ(book.use(made.text).error(), errc::expired);
    EXPECT_TRUE(book.use(book.make("http://localhost", key).text));
}

// Goal: whoever makes an account with a challenge gets the id that belongs to it, and nobody gets it with another.
TEST_F(challenges_test, each_is_of_one_account_to_be)
{
    const auto made = book.make("http://localhost", key);
    const auto id = book.account_of(made.text);
    EXPECT_EQ(book.account_of(made.text), id);
    EXPECT_NE(book.account_of(book.make("http://localhost", key).text), id);
    challenge_book other(clock);
    EXPECT_NE(other.account_of(made.text), id);
    const auto text = to_string(id);
    EXPECT_EQ(text[14], '7') << text;
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
    EXPECT_EQ(text.substr(0, 13), "018bcfe5-6800") << "the time of the challenge";
}

TEST_F(challenges_test, is_renewed_for_the_same_origin_and_key)
{
    const auto made = book.make("https://relay.example", key);
    ASSERT_TRUE(book.use(made.text));
    const auto again = book.renew(made.text);
    EXPECT_TRUE(book.check(again.text, key));
    EXPECT_NE(again.text, made.text);
    EXPECT_TRUE(
        text(again.text).starts_with("consortium-login-1\nhttps://relay.example\n" + base64_encode(key) + "\n"));
    EXPECT_TRUE(book.use(again.text));
}

TEST_F(challenges_test, ends_after_a_minute)
{
    const auto made = book.make("http://localhost", key);
    clock.advance(59'999ms);
    EXPECT_TRUE(book.check(made.text, key));
    clock.advance(1ms);
    EXPECT_EQ(book.check(made.text, key).error(), errc::expired);
    EXPECT_EQ(book.use(made.text).error(), errc::expired);
}

// Goal: a used challenge cannot come back by outliving the memory of it.
TEST_F(challenges_test, is_remembered_as_used_until_it_would_have_ended)
{
    const auto made = book.make("http://localhost", key);
    ASSERT_TRUE(book.use(made.text));
    clock.advance(59'999ms);
    ASSERT_TRUE(book.use(book.make("http://localhost", key).text));
    EXPECT_EQ(book.use(made.text).error(), errc::expired);
}

TEST_F(challenges_test, is_for_the_key_that_asked)
{
    const auto made = book.make("http://localhost", key);
    EXPECT_EQ(book.check(made.text, byte_array<32>{9}).error(), errc::expired);
}

TEST_F(challenges_test, must_be_made_here)
{
    const auto made = book.make("http://localhost", key);
    EXPECT_EQ(challenge_book(clock).check(made.text, key).error(), errc::expired); // after a restart
    for (std::size_t at = 0; at < made.text.size(); ++at)
    {
        auto changed = made.text;
        changed[at] ^= 1;
        EXPECT_EQ(book.check(changed, key).error(), errc::expired) << at;
        EXPECT_EQ(book.check(byte_view(made.text).first(at), key).error(), errc::expired) << at;
    }
}

} // namespace
} // namespace consortium::relay
