#include "output_budget.hpp"
#include <gtest/gtest.h>

namespace consortium::relay
{
namespace
{

const account_id ann{{1}};
const account_id bob{{2}};

net::shared_frame frame_of(std::size_t bytes)
{
    return net::encode_text_frame(std::string(bytes, 'x'));
}

TEST(output_budget_test, a_frame_counts_once_until_nobody_holds_it)
{
    output_budget budget(100'000);
    const auto frame = frame_of(60'000);
    auto first = budget.count(ann, frame);
    EXPECT_EQ(first->bytes(), frame->bytes());
    auto second = first;
    EXPECT_FALSE(budget.full(ann));
    auto other = budget.count(ann, frame_of(60'000));
    EXPECT_TRUE(budget.full(ann));
    EXPECT_FALSE(budget.full(bob));
    first.reset();
    EXPECT_TRUE(budget.full(ann)) << "somebody holds it still";
    second.reset();
    EXPECT_FALSE(budget.full(ann));
}

TEST(output_budget_test, a_body_counts_and_what_is_small_does_not)
{
    output_budget budget(50'000);
    std::vector<net::http_body> small;
    for (int i = 0; i < 100; ++i)
        small.push_back(budget.count(ann, net::http_body(std::string(1000, 'x'))));
    EXPECT_FALSE(budget.full(ann));
    {
        const auto large = budget.count(ann, net::http_body(std::string(50'000, 'x')));
        EXPECT_EQ(net::view(large).size(), 50'000u);
        EXPECT_TRUE(budget.full(ann));
    }
    EXPECT_FALSE(budget.full(ann));
}

TEST(output_budget_test, what_was_counted_may_outlive_it)
{
    auto budget = std::make_unique<output_budget>(1000);
    const auto frame = budget->count(ann, frame_of(60'000));
    budget.reset();
    EXPECT_EQ(frame->payload().size(), 60'000u);
}

} // namespace
} // namespace consortium::relay
