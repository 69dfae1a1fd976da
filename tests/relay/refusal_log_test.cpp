#include "refusal_log.hpp"
#include <gtest/gtest.h>
#include <vector>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

class refusal_log_test : public ::testing::Test
{
protected:
    refusal_log make()
    {
        return refusal_log(
            {.window = 1min, .names_addresses = [this] { return named; }},
            [this](const std::string& line) { said.push_back(line); });
    }
    bool named = false;
    std::vector<std::string> said;
};

// Goal: a flood of refusals is one line, with its count.
TEST_F(refusal_log_test, says_a_kind_once_with_a_count)
{
    auto log = make();
    for (int i = 0; i < 1204; ++i)
        log.note(refused::connections, errc::overloaded, "too many", "10.0.0." + std::to_string(i % 3));
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.1");
    log.report(refusal_log::clock::now() + 30s);
    EXPECT_TRUE(said.empty());
    log.report(refusal_log::clock::now() + 61s);
    EXPECT_EQ(
        said, (std::vector<std::string>{
                  "refused 1,204 connections of 3 addresses in the last minute: too many",
                  "refused 1 requests of 1 address in the last minute: too many"}));
    said.clear();
    log.report(refusal_log::clock::now() + 200s);
    EXPECT_TRUE(said.empty());
}

TEST_F(refusal_log_test, says_the_rest_at_its_end_and_what_has_no_address)
{
    auto log = make();
    log.note(refused::commands, errc::unavailable, "the disk is full", {});
    log.stop();
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0], "refused 1 commands in the last 1 s: the disk is full");
}

// Goal: addresses are people's: they are named only where the log level says so.
TEST_F(refusal_log_test, names_addresses_only_when_it_may)
{
    auto log = make();
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.1");
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.2");
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.2");
    log.report(refusal_log::clock::now(), /*everything=*/true);
    named = true;
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.1");
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.2");
    log.note(refused::requests, errc::rate_limited, "too many", "10.0.0.2");
    log.report(refusal_log::clock::now(), /*everything=*/true);
    ASSERT_EQ(said.size(), 2u);
    EXPECT_EQ(said[0].find("10.0."), std::string::npos) << said[0];
    EXPECT_TRUE(said[1].ends_with("too many (10.0.0.2 2, 10.0.0.1 1)")) << said[1];
}

// Goal: whoever counts hears of each, by what it is and why, and of nothing else.
TEST_F(refusal_log_test, tells_whoever_counts_of_each)
{
    std::vector<std::pair<refused, errc>> heard;
    refusal_log log(
        {.count = [&](refused of, errc why) { heard.emplace_back(of, why); }},
        [this](const std::string& line) { said.push_back(line); });
    log.note(refused::strangers, errc::rate_limited, "too many of one address that have not signed in", "10.0.0.1");
    log.note(refused::strangers, errc::rate_limited, "too many of one address that have not signed in", "10.0.0.1");
    log.stop();
    const std::pair one{refused::strangers, errc::rate_limited};
    EXPECT_EQ(heard, (std::vector{one, one}));
    ASSERT_EQ(said.size(), 1u);
    EXPECT_TRUE(said[0].starts_with("refused 2 connections of 1 address")) << said[0];
}

// Goal: what counts refusals cannot be filled itself.
TEST_F(refusal_log_test, remembers_so_many_addresses_and_no_more)
{
    auto log = make();
    for (int i = 0; i < 5000; ++i)
        log.note(refused::requests, errc::rate_limited, "too many", std::to_string(i));
    log.report(refusal_log::clock::now(), /*everything=*/true);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_TRUE(said[0].starts_with("refused 5,000 requests of more than 1,024 addresses")) << said[0];
}

} // namespace
} // namespace consortium::relay
