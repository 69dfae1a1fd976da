#include "consortium/log/diagnostics.hpp"
#include "contain.hpp"
#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>

namespace consortium::relay
{
namespace
{

TEST(contain_test, what_a_task_throws_ends_what_it_was_about)
{
    bool ended = false;
    EXPECT_FALSE(contain("a task", [] { throw std::runtime_error("a bug"); }, [&] { ended = true; }));
    EXPECT_TRUE(ended);
    EXPECT_FALSE(contain("a task", [] { throw 1; }, [] { throw std::runtime_error("and another"); }));
    EXPECT_TRUE(contain("a task", [] {}, [&] { ADD_FAILURE(); }));
}

// Goal: a process that ends of an exception nobody caught leaves the reason in its log.
TEST(contain_test, an_uncaught_exception_is_logged_before_the_end)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::set_terminate(end_saying_why);
            log::log_to_stderr("contain_test", "%l %*");
            std::thread([] { throw std::runtime_error("the disk is gone"); }).join();
        },
        "the relay ends: one of its threads failed: the disk is gone");
}

} // namespace
} // namespace consortium::relay
