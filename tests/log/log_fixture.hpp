#pragma once
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include <gtest/gtest.h>

namespace consortium::log::testing
{

/// A log over a directory of its own, with an account and what it takes to say something in it.
class log_fixture : public ::testing::Test
{
protected:
    void open()
    {
        sink = std::make_unique<test_sink>();
        auto opened = open_log_over(options, rules, *sink, clock, below);
        ASSERT_TRUE(opened) << opened.error().detail;
        log = std::move(*opened);
    }
    void reopen()
    {
        log.reset();
        open();
    }
    std::future<result<test_command::events>> start(const std::shared_ptr<test_command>& wanted)
    {
        auto outcome = wanted->outcome();
        const auto taken = log->submit(wanted);
        EXPECT_TRUE(taken) << taken.error().detail;
        return outcome;
    }
    result<test_command::events> run(const std::shared_ptr<test_command>& wanted) { return start(wanted).get(); }
    void make_session()
    {
        ASSERT_TRUE(run(create_account(ann)));
        ASSERT_TRUE(run(create_session(ann, talk)));
    }
    /// Messages until the log holds `count` records, `at_once` to a command.
    void fill_up_to(std::uint64_t count, std::uint64_t at_once)
    {
        for (auto have = log->read()->head().value; have < count;)
        {
            const auto more = std::min(at_once, count - have);
            ASSERT_TRUE(run(say(ann, talk, std::vector<std::string>(more, "x"))));
            have += more;
        }
    }

    temporary_directory place;
    log_options options = options_for(place.path() / "data");
    small_domain rules;
    manual_clock clock{1'700'000'000'000};
    seams below;
    std::unique_ptr<test_sink> sink;
    std::unique_ptr<event_log> log;
    const account_id ann = account_of(1);
    const session_id talk = session_of(1);
};

} // namespace consortium::log::testing
