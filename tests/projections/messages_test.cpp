#include "projections/memory_log.hpp"
#include <algorithm>

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

class messages : public memory_log_test
{
protected:
    session_id session_ = session_of(agent_, "tag");

    std::vector<std::uint64_t> seqs(const result<message_page>& page)
    {
        std::vector<std::uint64_t> out;
        for (const auto& message : page.value().messages)
            out.push_back(message.seq);
        return out;
    }
    using numbers = std::vector<std::uint64_t>;
};

} // namespace

TEST_F(messages, count_up_from_one_in_the_given_order)
{
    auto wanted = message_wish(agent_, session_, {{"one", "l1"}, {"two", {}}, {"three", "l3"}});
    const auto events = log_.submit(wanted).value();
    ASSERT_EQ(events.size(), 3u);
    ASSERT_EQ(wanted.receipts.size(), 3u);
    const auto page = messages_after(at_, agent_.account, session_, 0, 100).value();
    ASSERT_EQ(page.messages.size(), 3u);
    EXPECT_FALSE(page.has_more);
    for (std::size_t i = 0; i < 3; ++i)
    {
        EXPECT_EQ(wanted.receipts[i].seq, i + 1);
        EXPECT_EQ(wanted.receipts[i].event, i);
        EXPECT_EQ(page.messages[i].seq, i + 1);
        EXPECT_EQ(page.messages[i].id, wanted.items[i].new_id);
        EXPECT_EQ(page.messages[i].content, wanted.items[i].content);
        EXPECT_EQ(page.messages[i].local_id, wanted.items[i].local_id);
        EXPECT_EQ(page.messages[i].rev, events[i].header.rev);
    }
    EXPECT_EQ(find_session(at_, agent_.account, session_)->seq, 3u);
}

TEST_F(messages, a_repeated_local_id_is_the_first_message_whatever_its_content)
{
    ASSERT_TRUE(submit(message_wish(agent_, session_, {{"one", "l1"}, {"two", "l2"}})));
    const auto before = log_.head();
    auto again = message_wish(browser_, session_, {{"other", "l2"}, {"three", "l3"}, {"more", "l1"}, {"x", "l3"}});
    const auto events = log_.submit(again).value();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(again.receipts[0].seq, 2u);
    EXPECT_FALSE(again.receipts[0].event);
    EXPECT_EQ(again.receipts[0].where, before);
    EXPECT_EQ(again.receipts[1].seq, 3u);
    EXPECT_EQ(again.receipts[1].event, 0u);
    EXPECT_EQ(again.receipts[2].seq, 1u);
    EXPECT_EQ(again.receipts[3].seq, 3u);
    EXPECT_EQ(again.receipts[3].event, 0u);
    EXPECT_EQ(messages_after(at_, agent_.account, session_, 1, 1)->messages[0].content, "two");
}

TEST_F(messages, local_ids_are_of_their_session)
{
    const auto other = session_of(agent_, "other");
    ASSERT_TRUE(submit(message_wish(agent_, session_, {{"one", "l"}})));
    EXPECT_EQ(submit(message_wish(agent_, other, {{"one", "l"}}))->size(), 1u);
}

TEST_F(messages, without_a_local_id_everything_is_new)
{
    ASSERT_TRUE(submit(message_wish(agent_, session_, {{"same", {}}})));
    EXPECT_EQ(submit(message_wish(agent_, session_, {{"same", {}}, {"same", {}}}))->size(), 2u);
}

TEST_F(messages, reach_an_ended_session)
{
    auto end = about<set_session_active>(agent_, session_);
    ASSERT_TRUE(log_.submit(end));
    EXPECT_TRUE(submit(message_wish(browser_, session_, {{"wake up", {}}})));
    EXPECT_FALSE(find_session(at_, agent_.account, session_)->active);
}

TEST_F(messages, have_limits)
{
    EXPECT_EQ(refusal(message_wish(agent_, session_, {{"", {}}})), errc::bad_request);
    EXPECT_EQ(refusal(message_wish(agent_, session_, {{"x", ""}})), errc::bad_request);
    EXPECT_EQ(
        refusal(message_wish(agent_, session_, {{"x", std::string(limits::name_bytes_max + 1, 'l')}})),
        errc::too_large);
    EXPECT_EQ(
        refusal(message_wish(agent_, session_, {{std::string(limits::message_bytes_max + 1, 'x'), {}}})),
        errc::too_large);
    std::vector<std::pair<std::string, std::optional<std::string>>> many(limits::messages_per_post_max + 1, {"x", {}});
    EXPECT_EQ(refusal(message_wish(agent_, session_, many)), errc::too_large);
    many.pop_back();
    EXPECT_EQ(submit(message_wish(agent_, session_, many))->size(), limits::messages_per_post_max);
    EXPECT_TRUE(submit(message_wish(agent_, session_, {}))->empty());
}

TEST_F(messages, pages_go_both_ways)
{
    for (int i = 0; i < 10; ++i)
        ASSERT_TRUE(submit(message_wish(agent_, session_, {{"m", {}}})));
    const auto other = session_of(agent_, "other");
    ASSERT_TRUE(submit(message_wish(agent_, other, {{"m", {}}})));
    const auto account = agent_.account;

    EXPECT_EQ(seqs(messages_after(at_, account, session_, 0, 3)), (numbers{1, 2, 3}));
    EXPECT_TRUE(messages_after(at_, account, session_, 0, 3)->has_more);
    EXPECT_EQ(seqs(messages_after(at_, account, session_, 7, 3)), (numbers{8, 9, 10}));
    EXPECT_FALSE(messages_after(at_, account, session_, 7, 3)->has_more);
    EXPECT_EQ(seqs(messages_after(at_, account, session_, 10, 3)), numbers{});
    EXPECT_EQ(seqs(messages_after(at_, account, session_, UINT64_MAX, 3)), numbers{});
    EXPECT_EQ(seqs(messages_before(at_, account, session_, 2147483647, 3)), (numbers{10, 9, 8}));
    EXPECT_TRUE(messages_before(at_, account, session_, 2147483647, 3)->has_more);
    EXPECT_EQ(seqs(messages_before(at_, account, session_, 4, 3)), (numbers{3, 2, 1}));
    EXPECT_FALSE(messages_before(at_, account, session_, 4, 3)->has_more);
    EXPECT_EQ(seqs(messages_before(at_, account, session_, UINT64_MAX, 1)), numbers{10});
    EXPECT_EQ(seqs(messages_before(at_, account, session_, 1, 3)), numbers{});
    EXPECT_EQ(seqs(messages_before(at_, account, session_, 0, 3)), numbers{});
    EXPECT_EQ(messages_before(at_, account, session_id{}, 0, 3).error(), errc::not_found);
}
