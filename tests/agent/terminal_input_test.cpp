// What counts as an answer at a terminal.
#include "agent/run.hpp"
#include "terminal/terminal_input.hpp"
#include <algorithm>
#include <boost/asio/detached.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h> // NOLINT: posix_openpt and its like
#include <unistd.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

/// The standard input is a terminal at which a person types, for as long as it lives.
class terminal_input_test : public ::testing::Test
{
protected:
    void SetUp() override
    {
        keyboard = ::posix_openpt(O_RDWR | O_NOCTTY);
        ASSERT_TRUE(keyboard >= 0 && ::grantpt(keyboard) == 0 && ::unlockpt(keyboard) == 0);
        const int screen = ::open(::ptsname(keyboard), O_RDWR | O_NOCTTY);
        ASSERT_GE(screen, 0);
        old_input = ::dup(STDIN_FILENO);
        ::dup2(screen, STDIN_FILENO);
        ::close(screen);
        input.emplace(io.get_executor());
    }
    void TearDown() override
    {
        input.reset();
        ::dup2(old_input, STDIN_FILENO);
        ::close(old_input);
        ::close(keyboard);
    }
    /// Returns when the terminal has it: it echoes what it took.
    void type(const std::string& keys)
    {
        ASSERT_EQ(::write(keyboard, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
        for (std::string echoed;
             std::ranges::count(echoed, '\r') < std::ranges::count(keys, '\n') || !echoed.ends_with(keys.back());)
        {
            pollfd watched{.fd = keyboard, .events = POLLIN, .revents = 0};
            ASSERT_EQ(::poll(&watched, 1, 30'000), 1);
            char room[256];
            const auto size = ::read(keyboard, room, sizeof room);
            ASSERT_GT(size, 0);
            echoed.append(room, static_cast<std::size_t>(size));
        }
    }
    void ask()
    {
        answer.reset();
        asio::co_spawn(
            io, [](terminal_input_test* self) -> asio::awaitable<void>
            { self->answer = co_await self->input->yes("Shall it?", /*otherwise=*/false); }(this), asio::detached);
        io.restart();
        io.poll();
    }
    bool answered(bool expected)
    {
        return run_until(io, [&] { return answer.has_value(); }) && *answer && **answer == expected;
    }

    asio::io_context io;
    int keyboard = -1;
    int old_input = -1;
    std::optional<terminal_input> input;
    std::optional<result<bool>> answer;
};

} // namespace

// Goal: a yes that was typed before the question stood there, for something else, is no answer to it.
TEST_F(terminal_input_test, what_was_typed_before_the_question_does_not_answer_it)
{
    type("y\n");
    ask();
    EXPECT_FALSE(answer.has_value());
    type("n\n");
    EXPECT_TRUE(answered(false));

    type("y"); // a line that was begun
    ask();
    type("n\n");
    EXPECT_TRUE(answered(false));
}

TEST_F(terminal_input_test, what_came_with_an_earlier_answer_does_not_answer_the_next_question)
{
    ask();
    type("n\ny\n");
    EXPECT_TRUE(answered(false));
    ask();
    EXPECT_FALSE(answer.has_value());
    type("y\n");
    EXPECT_TRUE(answered(true));
}

TEST_F(terminal_input_test, what_was_typed_after_the_question_answers_it)
{
    ask();
    type("perhaps\n");
    io.restart();
    io.poll();
    EXPECT_FALSE(answer.has_value());
    type("y\n");
    EXPECT_TRUE(answered(true));
}

TEST_F(terminal_input_test, a_line_is_asked_for_in_the_same_way)
{
    type("before\n");
    input->ask("What?");
    type("after\n");
    EXPECT_EQ(run(io, input->line()).value(), "after");
}
