#include "auth/pairings.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

namespace consortium::relay
{
namespace
{

namespace v1 = protocol::v1;
using namespace std::chrono_literals;
using stage = pairing_stage;

class pairings_test : public ::testing::Test
{
protected:
    static void SetUpTestSuite() { init_crypto(); }

    /// An agent that asks, and what only it knows.
    struct agent
    {
        ed25519_key device = ed25519_key::random();
        byte_array<32> nonce = random_array<32>();
        v1::pairing_request asks;

        explicit agent(byte_array<32> public_key = random_array<32>())
        {
            asks.public_key = public_key;
            asks.device = device.public_key();
            asks.commit = pairing_commit(public_key, device.public_key(), nonce);
            asks.sealed_name = "bmFtZQ==";
            asks.mac = random_array<32>();
            sign();
        }
        void sign() { asks.signature = device.sign(pairing_request_text(asks)); }
        const byte_array<32>& key() const { return asks.public_key; }
        ed25519_signature refusal() const { return sign_pairing_refusal(device, pairing_transcript(asks)); }
    };
    static projections::principal browser(std::uint8_t account, std::uint8_t device)
    {
        return {.account = {{account}}, .device = {{device}}, .kind = log::device_kind::browser};
    }
    stage stage_of(const agent& who)
    {
        const auto known = book.poll(who.key());
        EXPECT_TRUE(known);
        return known ? known->stage : stage::refused;
    }
    /// Brings it to where the digits can be compared.
    void reach_revealed(const agent& who)
    {
        ASSERT_TRUE(book.request(who.asks, {}));
        ASSERT_TRUE(book.answer(who.key(), phone, "answer"));
        ASSERT_TRUE(book.reveal(who.key(), who.nonce));
    }
    void confirm(const agent& who)
    {
        ASSERT_TRUE(book.begin_confirmation(who.key(), phone));
        book.end_confirmation(who.key(), true);
    }

    manual_boot_clock clock;
    pairing_book book{clock, {.pending_max = 3, .pending_per_address_max = 2}};
    const projections::principal phone = browser(1, 1);
    const projections::principal laptop = browser(1, 2); // of the same account
    const projections::principal foreign = browser(2, 3);
};

TEST_F(pairings_test, each_step_once_in_its_order_and_the_same_again_is_success)
{
    const agent who;
    const auto twice = [](auto step)
    {
        EXPECT_TRUE(step());
        EXPECT_TRUE(step());
    };
    twice([&] { return book.request(who.asks, {}); });
    EXPECT_EQ(stage_of(who), stage::pending);
    twice([&] { return book.answer(who.key(), phone, "answer"); });
    EXPECT_EQ(stage_of(who), stage::answered);
    twice([&] { return book.reveal(who.key(), who.nonce); });
    const auto shown = book.poll(who.key());
    EXPECT_EQ(shown->stage, stage::revealed);
    EXPECT_EQ(shown->response, "answer");
    EXPECT_EQ(shown->nonce, who.nonce);
    EXPECT_EQ(shown->wanted, who.asks);
    EXPECT_EQ(book.begin_confirmation(who.key(), phone), who.device.public_key());
    EXPECT_EQ(stage_of(who), stage::revealed) << "it is no event yet";
    book.end_confirmation(who.key(), true);
    EXPECT_EQ(stage_of(who), stage::authorized);
    // A lost answer, and everything else again.
    confirm(who);
    EXPECT_TRUE(book.request(who.asks, {}));
    EXPECT_TRUE(book.answer(who.key(), phone, "answer"));
    EXPECT_TRUE(book.reveal(who.key(), who.nonce));
    EXPECT_EQ(stage_of(who), stage::authorized);
}

// Cases 9 and 11: what the device did not sign as it stands is not taken.
TEST_F(pairings_test, a_request_is_signed_by_its_device)
{
    const auto refused = [&](auto change)
    {
        agent who;
        change(who);
        EXPECT_EQ(book.request(who.asks, {}).error(), errc::bad_request);
        EXPECT_FALSE(book.poll(who.key()));
    };
    refused([](agent& who) { who.asks.signature = {}; });
    refused(
        [](agent& who)
        {
            who.asks.kind = device_kind::browser;
            who.sign();
        });
    refused([](agent& who) { who.asks.signature = ed25519_key::random().sign(pairing_request_text(who.asks)); });
    refused([](agent& who) { who.asks.device = ed25519_key::random().public_key(); });
    refused([](agent& who) { who.asks.public_key = random_array<32>(); });
    refused([](agent& who) { who.asks.commit[0] ^= 1; });
    refused([](agent& who) { who.asks.sealed_name = "b3RoZXI="; });
    EXPECT_EQ(book.size(), 0u);
}

TEST_F(pairings_test, the_first_request_of_a_key_counts)
{
    const agent first;
    ASSERT_TRUE(book.request(first.asks, {}));
    const agent second(first.key());
    EXPECT_EQ(book.request(second.asks, {}).error(), errc::conflict);
    auto other_mac = first.asks;
    other_mac.mac = random_array<32>();
    EXPECT_EQ(book.request(other_mac, {}).error(), errc::conflict);
    EXPECT_EQ(book.poll(first.key())->wanted, first.asks);
    // Case 15: nothing of it can be varied after the answer either.
    ASSERT_TRUE(book.answer(first.key(), phone, "answer"));
    EXPECT_EQ(book.request(second.asks, {}).error(), errc::conflict);
}

// Case 10: who answers first stays; everybody else is told.
TEST_F(pairings_test, the_first_answer_stays)
{
    const agent who;
    EXPECT_EQ(book.answer(who.key(), phone, "answer").error(), errc::not_found);
    ASSERT_TRUE(book.request(who.asks, {}));
    ASSERT_TRUE(book.answer(who.key(), phone, "answer"));
    EXPECT_EQ(book.answer(who.key(), phone, "another").error(), errc::conflict);
    EXPECT_EQ(book.answer(who.key(), laptop, "answer").error(), errc::conflict);
    EXPECT_EQ(book.answer(who.key(), foreign, "answer").error(), errc::conflict);
    ASSERT_TRUE(book.reveal(who.key(), who.nonce));
    EXPECT_EQ(book.answer(who.key(), phone, "another").error(), errc::conflict) << "nobody searches after the reveal";
    EXPECT_EQ(book.poll(who.key())->response, "answer");
}

// Case 12.
TEST_F(pairings_test, only_what_was_committed_to_is_revealed_and_not_before_the_answer)
{
    const agent who;
    EXPECT_EQ(book.reveal(who.key(), who.nonce).error(), errc::not_found);
    ASSERT_TRUE(book.request(who.asks, {}));
    EXPECT_EQ(book.reveal(who.key(), who.nonce).error(), errc::conflict);
    ASSERT_TRUE(book.answer(who.key(), phone, "answer"));
    EXPECT_EQ(book.reveal(who.key(), random_array<32>()).error(), errc::bad_request);
    EXPECT_EQ(stage_of(who), stage::answered) << "a stranger uses nothing up";
    EXPECT_TRUE(book.reveal(who.key(), who.nonce));
    EXPECT_EQ(book.reveal(who.key(), random_array<32>()).error(), errc::bad_request);
    EXPECT_EQ(book.poll(who.key())->nonce, who.nonce);

    // A commitment copied from somebody else names that one's device: nothing opens it.
    agent thief;
    thief.asks.commit = who.asks.commit;
    thief.sign();
    ASSERT_TRUE(book.request(thief.asks, {}));
    ASSERT_TRUE(book.answer(thief.key(), phone, "answer"));
    EXPECT_EQ(book.reveal(thief.key(), who.nonce).error(), errc::bad_request);
}

TEST_F(pairings_test, only_who_answered_confirms_and_not_before_the_reveal)
{
    const agent who;
    EXPECT_EQ(book.begin_confirmation(who.key(), phone).error(), errc::not_found);
    ASSERT_TRUE(book.request(who.asks, {}));
    EXPECT_EQ(book.begin_confirmation(who.key(), phone).error(), errc::not_found);
    ASSERT_TRUE(book.answer(who.key(), phone, "answer"));
    EXPECT_EQ(book.begin_confirmation(who.key(), phone).error(), errc::conflict);
    ASSERT_TRUE(book.reveal(who.key(), who.nonce));
    EXPECT_EQ(book.begin_confirmation(who.key(), laptop).error(), errc::forbidden);
    EXPECT_EQ(book.begin_confirmation(who.key(), foreign).error(), errc::not_found);

    // Case 14: the statement was not the chain's next; the answer stays and the next one is taken.
    ASSERT_TRUE(book.begin_confirmation(who.key(), phone));
    book.end_confirmation(who.key(), false);
    EXPECT_EQ(stage_of(who), stage::revealed);
    confirm(who);
    EXPECT_EQ(stage_of(who), stage::authorized);
}

TEST_F(pairings_test, the_agent_refuses_by_its_signature_and_who_answered_by_its_token)
{
    const agent early;
    EXPECT_EQ(book.refuse(early.key(), early.refusal()).error(), errc::not_found);
    ASSERT_TRUE(book.request(early.asks, {}));
    EXPECT_EQ(book.refuse(early.key(), agent().refusal()).error(), errc::bad_request);
    EXPECT_EQ(book.refuse(early.key(), early.asks.signature).error(), errc::bad_request);
    EXPECT_EQ(book.refuse(early.key(), phone).error(), errc::not_found) << "it has not answered";
    EXPECT_TRUE(book.refuse(early.key(), early.refusal()));
    EXPECT_TRUE(book.refuse(early.key(), early.refusal()));
    EXPECT_EQ(stage_of(early), stage::refused);
    EXPECT_EQ(book.answer(early.key(), phone, "answer").error(), errc::conflict);
    EXPECT_EQ(book.reveal(early.key(), early.nonce).error(), errc::conflict);

    const agent late;
    reach_revealed(late);
    EXPECT_EQ(book.refuse(late.key(), laptop).error(), errc::forbidden);
    EXPECT_EQ(book.refuse(late.key(), foreign).error(), errc::not_found);
    EXPECT_EQ(stage_of(late), stage::revealed);
    EXPECT_TRUE(book.refuse(late.key(), phone));
    EXPECT_EQ(stage_of(late), stage::refused);
    EXPECT_EQ(book.begin_confirmation(late.key(), phone).error(), errc::conflict);
}

TEST_F(pairings_test, what_is_confirmed_or_being_confirmed_is_refused_no_more)
{
    const agent who;
    reach_revealed(who);
    ASSERT_TRUE(book.begin_confirmation(who.key(), phone));
    EXPECT_EQ(book.refuse(who.key(), who.refusal()).error(), errc::conflict);
    book.end_confirmation(who.key(), true);
    EXPECT_EQ(book.refuse(who.key(), who.refusal()).error(), errc::conflict);
    EXPECT_EQ(book.refuse(who.key(), phone).error(), errc::conflict);
    EXPECT_EQ(stage_of(who), stage::authorized);
}

TEST_F(pairings_test, an_unanswered_request_lives_while_somebody_asks_for_it)
{
    const agent who;
    ASSERT_TRUE(book.request(who.asks, {}));
    for (int i = 0; i < 100; ++i)
    {
        clock.advance(limits::pairing_unpolled - 1ms);
        ASSERT_EQ(stage_of(who), stage::pending);
    }
    clock.advance(limits::pairing_unpolled);
    EXPECT_FALSE(book.poll(who.key()));
    EXPECT_EQ(book.size(), 0u);
    EXPECT_TRUE(book.request(who.asks, {})) << "the agent asks anew";
}

TEST_F(pairings_test, everything_is_over_ten_minutes_after_the_answer)
{
    const agent silent;
    const agent asked;
    for (const auto* who : {&silent, &asked})
        reach_revealed(*who);
    clock.advance(limits::pairing_lifetime - 1ms);
    EXPECT_EQ(stage_of(asked), stage::revealed);
    ASSERT_TRUE(book.begin_confirmation(asked.key(), phone));
    clock.advance(1ms);
    EXPECT_FALSE(book.poll(asked.key()));
    EXPECT_EQ(book.begin_confirmation(silent.key(), phone).error(), errc::not_found);
    EXPECT_EQ(book.size(), 0u);
    book.end_confirmation(asked.key(), true); // its time is over; nothing happens
}

// Goal: whoever announces pairings and does nothing with them keeps nobody else from pairing.
TEST_F(pairings_test, the_oldest_that_nobody_answered_makes_room)
{
    const agent first, second, third, other;
    EXPECT_TRUE(book.request(first.asks, "a"));
    EXPECT_TRUE(book.request(second.asks, "a"));
    EXPECT_TRUE(book.request(third.asks, "a"));
    EXPECT_FALSE(book.poll(first.key()));
    EXPECT_TRUE(book.poll(second.key()));
    // All are full: the oldest of all goes, but none that was answered.
    EXPECT_TRUE(book.answer(second.key(), phone, "answer"));
    EXPECT_TRUE(book.request(other.asks, "b"));
    EXPECT_EQ(book.size(), 3u);
    EXPECT_TRUE(book.request(first.asks, "b"));
    EXPECT_FALSE(book.poll(third.key()));
    EXPECT_TRUE(book.poll(other.key()));
    EXPECT_EQ(stage_of(second), stage::answered);
}

TEST_F(pairings_test, refuses_more_than_it_may_hold_when_all_were_answered)
{
    std::vector<agent> answered(3);
    for (const auto& each : answered)
    {
        EXPECT_TRUE(book.request(each.asks, {}));
        EXPECT_TRUE(book.answer(each.key(), phone, "answer"));
    }
    EXPECT_EQ(book.request(agent().asks, "c").error(), errc::overloaded);
    clock.advance(limits::pairing_lifetime);
    EXPECT_TRUE(book.request(agent().asks, "c"));
}

TEST_F(pairings_test, a_deleted_account_leaves_nothing_behind)
{
    const agent own;
    const agent others;
    const agent open;
    reach_revealed(own);
    ASSERT_TRUE(book.request(others.asks, {}));
    ASSERT_TRUE(book.answer(others.key(), foreign, "answer"));
    ASSERT_TRUE(book.request(open.asks, {}));
    book.forget(phone.account);
    EXPECT_FALSE(book.poll(own.key()));
    EXPECT_EQ(stage_of(others), stage::answered);
    EXPECT_EQ(stage_of(open), stage::pending);
}

// Goal: whatever is tried in whatever order, no stage is left out, nothing that was fixed changes, and only the device
// that answered confirms. Method: random steps of the agent, of its browser and of strangers.
TEST_F(pairings_test, no_order_of_steps_leaves_one_out)
{
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    for (int round = 0; round < 200; ++round)
    {
        const agent who;
        const agent rival(who.key());
        std::optional<pairing_book::view> before;
        for (int step = 0; step < 30; ++step)
        {
            const auto by = std::array{phone, laptop, foreign}[random() % 3];
            const auto tried = random() % 7;
            switch (tried)
            {
            case 0:
                (void)book.request((random() % 2 ? who : rival).asks, {});
                break;
            case 1:
                (void)book.answer(who.key(), by, random() % 2 ? "answer" : "another");
                break;
            case 2:
                (void)book.reveal(who.key(), random() % 2 ? who.nonce : rival.nonce);
                break;
            case 3:
            case 4:
                if (book.begin_confirmation(who.key(), by))
                {
                    ASSERT_TRUE(before && before->account == by.account);
                    ASSERT_TRUE(before->stage == stage::revealed || before->stage == stage::authorized);
                    book.end_confirmation(who.key(), random() % 2);
                }
                break;
            case 5:
                if (random() % 4 == 0)
                    (void)book.refuse(who.key(), (random() % 2 ? who : rival).refusal());
                break;
            case 6:
                if (random() % 4 == 0)
                    (void)book.refuse(who.key(), by);
                break;
            }
            const auto after = book.poll(who.key());
            if (before)
            {
                ASSERT_TRUE(after);
                ASSERT_EQ(after->wanted, before->wanted);
                if (before->stage != stage::pending && before->stage != stage::refused)
                    ASSERT_EQ(after->response, before->response);
                const auto from = static_cast<int>(before->stage);
                const auto to = static_cast<int>(after->stage);
                ASSERT_TRUE(
                    to == from || to == from + 1 ||
                    (after->stage == stage::refused && before->stage != stage::authorized))
                    << from << " to " << to;
                ASSERT_FALSE(before->stage == stage::authorized && to != from);
            }
            before = after;
        }
        clock.advance(limits::pairing_lifetime);
    }
}

boost::json::object vectors()
{
    std::ifstream in(std::string(CONSORTIUM_VECTORS) + "/pairing.json");
    std::stringstream text;
    text << in.rdbuf();
    return boost::json::parse(text.str()).as_object();
}

template <std::size_t N>
byte_array<N> bytes_of(const boost::json::value& base64)
{
    const auto decoded = base64_decode(std::string(base64.as_string())).value();
    CONSORTIUM_ASSERT(decoded.size() == N);
    return to_array<N>(decoded);
}

// Goal: the relay takes and refuses what all others do. Method: the shared vectors.
TEST_F(pairings_test, shared_vectors)
{
    const auto all = vectors();
    const auto good = v1::read_pairing_request(all.at("request").as_object());
    ASSERT_TRUE(good);
    const auto& key = good->public_key;
    const auto nonce = bytes_of<32>(all.at("nonceA"));
    EXPECT_EQ(pairing_commit(key, good->device, nonce), good->commit);
    ASSERT_TRUE(book.request(*good, {}));
    EXPECT_EQ(hex_encode(pairing_transcript(*good)), std::string(all.at("T").as_string()));

    for (const auto& given : all.at("badRequests").as_array())
    {
        const auto& one = given.as_object();
        const auto& by = one.at("refusedBy").as_array();
        const bool relay_refuses = std::ranges::find(by, boost::json::value("relay")) != by.end();
        pairing_book fresh(clock, {.pending_max = 3, .pending_per_address_max = 2});
        const auto read = v1::read_pairing_request(one.at("request").as_object());
        EXPECT_EQ(read && fresh.request(*read, {}), !relay_refuses) << one.at("name");
    }
    ASSERT_TRUE(book.answer(key, phone, "answer"));
    for (const auto& given : all.at("badReveals").as_array())
    {
        const auto encoded = base64_decode(std::string(given.at("nonce").as_string()));
        if (encoded && encoded->size() == 32)
            EXPECT_FALSE(book.reveal(key, to_array<32>(*encoded))) << given.at("name");
    }
    for (const auto& given : all.at("badRefusals").as_array())
    {
        const auto signature = base64_decode(std::string(given.at("signature").as_string()));
        if (signature && signature->size() == 64)
            EXPECT_FALSE(book.refuse(key, to_array<64>(*signature))) << given.at("name");
    }
    EXPECT_TRUE(book.reveal(key, nonce));
    EXPECT_TRUE(book.refuse(key, bytes_of<64>(all.at("refusal").at("signature"))));

    const auto& copied = all.at("copiedCommit");
    const auto thief = v1::read_pairing_request(copied.at("request").as_object());
    pairing_book fresh(clock, {.pending_max = 3, .pending_per_address_max = 2});
    ASSERT_TRUE(thief && fresh.request(*thief, {}) && fresh.answer(thief->public_key, phone, "answer"));
    EXPECT_EQ(fresh.reveal(thief->public_key, bytes_of<32>(copied.at("nonce"))).error(), errc::bad_request);
}

} // namespace
} // namespace consortium::relay
