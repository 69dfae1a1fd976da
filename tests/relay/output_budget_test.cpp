#include "limits.hpp"
#include "output_budget.hpp"
#include <gtest/gtest.h>
#include <vector>

namespace consortium::relay
{
namespace
{

const account_id ann{{1}};
const account_id bob{{2}};
const account_id nobody{};

net::shared_frame frame_of(std::size_t bytes)
{
    return net::encode_text_frame(std::string(bytes, 'x'));
}

TEST(output_budget_test, a_frame_counts_once_until_nobody_holds_it)
{
    output_budget budget({.account = 100'000, .strangers = 100'000});
    auto first = frame_of(60'000);
    // Whoever is sent it counts it.
    first->count(budget.of(ann));
    first->count(budget.of(ann));
    auto second = first;
    EXPECT_EQ(budget.of(ann)->waiting(), first->bytes().size());
    EXPECT_FALSE(budget.full(ann));
    const auto other = frame_of(60'000);
    other->count(budget.of(ann));
    EXPECT_TRUE(budget.full(ann));
    EXPECT_FALSE(budget.full(bob));
    first.reset();
    EXPECT_TRUE(budget.full(ann)) << "somebody holds it still";
    second.reset();
    EXPECT_FALSE(budget.full(ann));
}

TEST(output_budget_test, an_answer_that_finds_no_room_is_not_kept)
{
    output_budget budget({.account = 50'000, .strangers = 50'000});
    std::vector<net::http_body> small;
    for (int i = 0; i < 100; ++i)
        small.push_back(*budget.count(ann, net::http_body(std::string(1000, 'x'))));
    EXPECT_FALSE(budget.full(ann)) << "each connection has one of these at most";
    {
        const auto large = budget.count(ann, net::http_body(std::string(50'000, 'x')));
        ASSERT_TRUE(large);
        EXPECT_EQ(net::view(*large).size(), 50'000u);
        EXPECT_FALSE(budget.count(ann, net::http_body(std::string(50'000, 'x'))));
        EXPECT_TRUE(budget.count(ann, net::http_body(std::string(1000, 'x')))) << "that it was refused can be said";
        EXPECT_TRUE(budget.count(bob, net::http_body(std::string(50'000, 'x'))));
    }
    EXPECT_TRUE(budget.count(ann, net::http_body(std::string(50'000, 'x'))));
}

TEST(output_budget_test, strangers_have_one_bound_together)
{
    output_budget budget({.account = 100'000, .strangers = 50'000});
    const auto kept = budget.count(nobody, net::http_body(std::string(50'000, 'x')));
    EXPECT_TRUE(budget.full(nobody));
    EXPECT_FALSE(budget.count(nobody, net::http_body(std::string(50'000, 'x'))));
    EXPECT_FALSE(budget.full(ann));
}

TEST(output_budget_test, a_socket_may_leave_the_less_the_more_its_account_leaves)
{
    output_budget budget({.account = 50'000, .strangers = 50'000});
    EXPECT_EQ(budget.socket_bytes_max(ann), limits::socket_untaken_bytes_max);
    const auto meter = budget.of(ann);
    meter->add(50'000);
    EXPECT_EQ(budget.socket_bytes_max(ann), limits::socket_queue_bytes_max);
    meter->add(50'000);
    EXPECT_EQ(budget.socket_bytes_max(ann), limits::socket_full_bytes_max);
    EXPECT_EQ(budget.socket_bytes_max(bob), limits::socket_untaken_bytes_max);
    meter->remove(100'000);
    EXPECT_EQ(budget.socket_bytes_max(ann), limits::socket_untaken_bytes_max);
}

TEST(output_budget_test, what_was_counted_may_outlive_it)
{
    auto budget = std::make_unique<output_budget>(output_budget::bounds{.account = 1000, .strangers = 1000});
    const auto frame = frame_of(60'000);
    frame->count(budget->of(ann));
    const auto body = budget->count(bob, net::http_body(std::string(60'000, 'x')));
    budget.reset();
    EXPECT_EQ(frame->payload().size(), 60'000u);
    EXPECT_EQ(net::view(*body).size(), 60'000u);
}

// Goal: those who come and go leave nothing behind, and who is there is not forgotten.
TEST(output_budget_test, many_accounts_come_and_go)
{
    output_budget budget({.account = 1000, .strangers = 1000});
    const auto kept = budget.of(ann);
    kept->add(1000);
    for (std::uint8_t i = 2; i < 250; ++i)
        EXPECT_EQ(budget.of(account_id{{i}})->waiting(), 0u);
    EXPECT_TRUE(budget.full(ann));
    EXPECT_EQ(budget.of(ann), kept);
}

} // namespace
} // namespace consortium::relay
