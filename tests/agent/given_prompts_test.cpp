#include "session/given_prompts.hpp"
#include <gtest/gtest.h>

using namespace consortium::agent;

TEST(given_prompts, one_waits_in_the_program_at_most)
{
    given_prompts prompts;
    EXPECT_TRUE(prompts.takes_another());
    prompts.give("one");
    EXPECT_FALSE(prompts.takes_another());
    prompts.heard("one", prompt_step::queued);
    EXPECT_FALSE(prompts.takes_another());
    prompts.heard("another", prompt_step::begun);
    EXPECT_FALSE(prompts.takes_another()) << "not the one that waits";
    prompts.heard("one", prompt_step::begun);
    EXPECT_TRUE(prompts.takes_another());
    prompts.give("two");
    EXPECT_FALSE(prompts.takes_another());
    prompts.turn_ended();
    EXPECT_TRUE(prompts.takes_another()) << "a program that tells nothing of prompts has come to its end";
    EXPECT_TRUE(prompts.has("two")) << "it may have it all the same";
}

TEST(given_prompts, it_has_one_until_it_is_done_with_it)
{
    for (const auto over : {prompt_step::done, prompt_step::dropped})
    {
        given_prompts prompts;
        prompts.give("one");
        prompts.heard("one", prompt_step::begun);
        EXPECT_TRUE(prompts.has("one"));
        EXPECT_TRUE(prompts.has_some());
        prompts.heard("one", over);
        EXPECT_FALSE(prompts.has("one"));
        EXPECT_FALSE(prompts.has_some());
    }
}

TEST(given_prompts, a_stop_takes_back_all_that_waits_and_counts_nothing_of_ours_any_more)
{
    given_prompts prompts;
    prompts.give("begun");
    prompts.heard("begun", prompt_step::begun);
    prompts.give("queued");
    prompts.heard("queued", prompt_step::queued);
    prompts.give("sent");
    prompts.heard("its own", prompt_step::queued);
    EXPECT_TRUE(prompts.has_begun("begun"));
    EXPECT_FALSE(prompts.has_begun("queued"));
    EXPECT_FALSE(prompts.has("its own"));
    EXPECT_EQ(prompts.waiting(), (std::vector<std::string>{"its own", "queued", "sent"}));

    prompts.let_go();
    EXPECT_FALSE(prompts.has_some());
    EXPECT_FALSE(prompts.has_begun("begun"));
    EXPECT_FALSE(prompts.takes_another()) << "not before the turn has ended";
    prompts.turn_ended();
    EXPECT_TRUE(prompts.takes_another());
    EXPECT_EQ(prompts.waiting(), std::vector<std::string>{"its own"});
}

TEST(given_prompts, a_program_that_names_ever_more_of_its_own_fills_no_memory)
{
    given_prompts prompts;
    prompts.give("ours");
    for (int i = 0; i < 5000; ++i)
        prompts.heard("its own " + std::to_string(i), prompt_step::queued);
    EXPECT_LE(prompts.waiting().size(), 1025u);
    EXPECT_TRUE(prompts.has("ours"));
}
