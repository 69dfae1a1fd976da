#include "readiness.hpp"
#include "relay_fixture.hpp"

namespace consortium::relay
{
namespace
{

class readiness_test : public relay_fixture
{
protected:
    readiness with_floor(std::uint64_t bytes) { return {*events, place / "data", bytes}; }
};

TEST_F(readiness_test, is_told_to_everybody)
{
    const auto answer = ask("GET", "/ready", {});
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.text, R"({"status":"ready"})");
}

// Goal: asking writes nothing, however often.
TEST_F(readiness_test, writes_nothing)
{
    const auto head = events->read()->head();
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(with_floor(1).check());
    EXPECT_EQ(events->read()->head(), head);
}

TEST_F(readiness_test, a_disk_below_its_floor_is_said_in_a_sentence)
{
    const auto answer = with_floor(std::uint64_t(1) << 62).check();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), errc::unavailable);
    EXPECT_EQ(answer.error().detail, "the relay's disk is nearly full: nothing is written until space is freed");
}

TEST_F(readiness_test, a_log_that_is_closed_is_not_ready)
{
    events->close();
    const auto answer = ask("GET", "/ready", {});
    EXPECT_EQ(answer.status, 503u);
    EXPECT_EQ(answer.code(), "closed") << answer.text;
    EXPECT_NE(answer.text.find("the log is closing"), std::string::npos) << answer.text;
}

} // namespace
} // namespace consortium::relay
