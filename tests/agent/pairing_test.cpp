// Pairing as the terminal does it, with a relay and a dashboard that are played.
#include "agent/account_test.hpp"
#include "identity/device_book.hpp"
#include "identity/pairing.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

using state = pairing_attempt::state;

class agent_pairing : public account_test
{
protected:
    agent_pairing() { make_account(); }

    result<state> advance() { return run(io, attempt.advance()); }
    account_relay::pairing& asked() { return relay.pairings.begin()->second; }
    pairing_request request() { return account_relay::request_of(asked()); }
    e2ee::pairing_link link() { return e2ee::pairing_link_parse(attempt.link()).value(); }
    bytes answer(const e2ee::pairing_answer& what) { return account_test::answer(asked(), link(), what); }
    e2ee::pairing_code code(const bytes& answered) { return account_test::code(asked(), link(), answered); }
    /// To where the digits were typed right.
    e2ee::pairing_code compared()
    {
        EXPECT_EQ(advance().value(), state::waiting);
        const auto plain = answer(honest_answer());
        EXPECT_EQ(advance().value(), state::answered);
        const auto both = code(plain);
        EXPECT_TRUE(attempt.type(both.asked_at_terminal));
        return both;
    }
    void confirm()
    {
        owner.add(*relay.chain, request().device, device_kind::agent);
        asked().status = "authorized";
    }
    result<identity> finish() { return run(io, finish_pairing(*client, store, attempt.to_keep(), clock)); }

    pairing_attempt attempt{*client, "laptop", spans};
};

} // namespace

TEST_F(agent_pairing, each_end_shows_half_and_asks_for_the_other)
{
    EXPECT_EQ(advance().value(), state::waiting);
    EXPECT_TRUE(check_pairing_request(request()));
    EXPECT_TRUE(e2ee::pairing_request_fits(link().secret, request()));
    EXPECT_EQ(e2ee::pairing_name_open(link().secret, request().sealed_name).value(), "laptop");
    const auto plain = answer(honest_answer());
    EXPECT_TRUE(asked().nonce.empty()) << "not before an answer is there";
    EXPECT_EQ(advance().value(), state::answered);
    const auto both = code(plain);
    ASSERT_TRUE(attempt.type(both.asked_at_terminal));
    EXPECT_EQ(attempt.own_half(), both.shown_at_terminal);
    EXPECT_EQ(advance().value(), state::answered);
    confirm();
    EXPECT_EQ(advance().value(), state::confirmed);
    const auto who = finish();
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ(who->account_id, to_string(owner.id));
    EXPECT_EQ(who->content_key, owner.keys.content.public_key());
    EXPECT_EQ(store.load_identity().value()->token, who->token);
    const auto own = ed25519_key::from_seed(*store.load_device_seed().value()).public_key();
    EXPECT_EQ(own, request().device);
    const auto book = device_book::open(store, *client, owner.id, who->account_key, own, clock).value();
    EXPECT_EQ(book->own(), device_standing::good);
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
}

TEST_F(agent_pairing, a_new_pairing_has_a_new_key)
{
    pairing_attempt other(*client, "laptop", spans);
    EXPECT_NE(other.link(), attempt.link());
    EXPECT_EQ(advance().value(), state::waiting);
    const auto first = request().device;
    relay.pairings.clear();
    EXPECT_EQ(run(io, other.advance()).value(), state::waiting);
    EXPECT_NE(request().device, first);
}

TEST_F(agent_pairing, wrong_digits_end_it_with_one_try)
{
    EXPECT_EQ(advance().value(), state::waiting);
    const auto plain = answer(honest_answer());
    EXPECT_EQ(advance().value(), state::answered);
    const auto both = code(plain);
    const auto wrong = both.asked_at_terminal == "000 000" ? "000 001" : "000 000";
    EXPECT_EQ(attempt.type(wrong).error(), errc::cancelled);
    EXPECT_FALSE(attempt.type(both.asked_at_terminal)) << "no second try";
    run(io,
        [](pairing_attempt& of) -> asio::awaitable<bool>
        {
            co_await of.refuse();
            co_return true;
        }(attempt));
    EXPECT_EQ(asked().status, "refused");
    EXPECT_TRUE(asked().refused_well);
}

TEST_F(agent_pairing, only_an_answer_of_who_has_the_link_for_this_request_is_taken)
{
    const auto transcript_of_another = random_array<32>();
    const auto bad = [&](const std::string& what) -> bytes
    {
        const auto good = e2ee::pairing_answer_make(link().secret, pairing_transcript(request()), honest_answer());
        if (what == "184 bytes")
            return {good.begin(), good.end() - 1};
        if (what == "186 bytes")
        {
            auto longer = good;
            longer.push_back(0);
            return longer;
        }
        if (what == "of another pairing")
            return e2ee::pairing_answer_make(link().secret, transcript_of_another, honest_answer());
        if (what == "without the link")
            return e2ee::pairing_answer_make(key256::random(), pairing_transcript(request()), honest_answer());
        auto changed = good;
        changed[40] ^= 1;
        return changed;
    };
    for (const auto* what : {"184 bytes", "186 bytes", "of another pairing", "without the link", "changed"})
    {
        relay.pairings.clear();
        pairing_attempt one(*client, "laptop", spans);
        EXPECT_EQ(run(io, one.advance()).value(), state::waiting);
        const auto its = e2ee::pairing_link_parse(one.link()).value();
        answer_with(asked(), its, bad(what));
        EXPECT_EQ(run(io, one.advance()).error(), errc::corrupt) << what;
        EXPECT_TRUE(asked().nonce.empty()) << "nothing is revealed to a stranger";
    }
    EXPECT_EQ(store.load_identity().value(), std::nullopt);
}

TEST_F(agent_pairing, the_first_answer_stays)
{
    EXPECT_EQ(advance().value(), state::waiting);
    const auto first = answer(honest_answer());
    EXPECT_EQ(advance().value(), state::answered);
    const account_owner mallory;
    auto other = honest_answer();
    other.account = mallory.keys.login.public_key();
    answer(other);
    asked().status = "revealed";
    EXPECT_EQ(advance().value(), state::answered);
    EXPECT_TRUE(attempt.type(code(first).asked_at_terminal));
    EXPECT_EQ(attempt.to_keep().answer.account, owner.keys.login.public_key());
}

TEST_F(agent_pairing, a_confirmation_before_the_digits_is_a_lie)
{
    EXPECT_EQ(advance().value(), state::waiting);
    answer(honest_answer());
    EXPECT_EQ(advance().value(), state::answered);
    confirm();
    EXPECT_EQ(advance().error(), errc::corrupt);
}

TEST_F(agent_pairing, only_the_chain_that_was_promised_confirms)
{
    for (const auto* what : {"without this machine", "as a browser", "revoked", "of another account", "nothing"})
    {
        relay.pairings.clear();
        auto before = owner.chain();
        owner.add(before, some_device());
        relay.chain = before;
        pairing_attempt one(*client, "laptop", spans);
        EXPECT_EQ(run(io, one.advance()).value(), state::waiting);
        const auto its = e2ee::pairing_link_parse(one.link()).value();
        const auto answered = account_test::answer(asked(), its, honest_answer());
        EXPECT_EQ(run(io, one.advance()).value(), state::answered);
        EXPECT_TRUE(one.type(account_test::code(asked(), its, answered).asked_at_terminal));

        const std::string_view lie = what;
        if (lie == "as a browser")
            owner.add(*relay.chain, request().device, device_kind::browser);
        else if (lie == "revoked")
        {
            owner.add(*relay.chain, request().device, device_kind::agent);
            owner.revoke(*relay.chain, request().device, device_kind::agent);
        }
        else if (lie == "of another account")
        {
            const account_owner mallory;
            relay.chain = mallory.chain();
            mallory.add(*relay.chain, request().device, device_kind::agent);
        }
        else if (lie == "nothing")
            relay.chain = owner.chain();
        asked().status = "authorized";
        EXPECT_EQ(run(io, one.advance()).error(), errc::corrupt) << what;
    }
    EXPECT_FALSE(store.load_identity().value());
}

TEST_F(agent_pairing, a_request_that_the_relay_lost_is_made_again_until_it_was_answered)
{
    EXPECT_EQ(advance().value(), state::waiting);
    const auto first = request();
    relay.pairings.clear();
    EXPECT_EQ(advance().value(), state::waiting);
    EXPECT_EQ(advance().value(), state::waiting);
    EXPECT_EQ(request(), first) << "the same, under the same link";
    answer(honest_answer());
    EXPECT_EQ(advance().value(), state::answered);
    relay.pairings.clear();
    EXPECT_EQ(advance().error(), errc::expired);
}

TEST_F(agent_pairing, ten_minutes_count_in_sleep_and_a_refusal_at_once)
{
    EXPECT_EQ(advance().value(), state::waiting);
    spans.advance(std::chrono::hours(3));
    EXPECT_EQ(advance().value(), state::waiting) << "before an answer it lives while it is asked for";
    answer(honest_answer());
    EXPECT_EQ(advance().value(), state::answered);
    spans.advance(std::chrono::minutes(9));
    EXPECT_EQ(advance().value(), state::answered);
    spans.advance(std::chrono::minutes(1));
    EXPECT_EQ(advance().error(), errc::expired);

    relay.pairings.clear();
    pairing_attempt other(*client, "laptop", spans);
    EXPECT_EQ(run(io, other.advance()).value(), state::waiting);
    asked().status = "refused";
    EXPECT_EQ(run(io, other.advance()).error(), errc::cancelled);
}

TEST_F(agent_pairing, a_relay_that_is_away_ends_nothing)
{
    compared();
    relay.lie = [](const std::string&, const json::object&)
    { return std::optional(account_relay::answer{502, {{"page", "bad gateway"}}}); };
    EXPECT_EQ(advance().value(), state::answered);
    relay.lie = nullptr;
    confirm();
    EXPECT_EQ(advance().value(), state::confirmed);
}

// Goal: a crash between the digits and the confirmation loses nothing and believes nothing.
TEST_F(agent_pairing, after_a_crash_it_looks_whether_the_chain_names_it)
{
    compared();
    ASSERT_TRUE(save_unconfirmed_pairing(store, attempt.to_keep()));
    const auto kept = load_unconfirmed_pairing(store).value();
    ASSERT_TRUE(kept);
    EXPECT_EQ(run(io, finish_pairing(*client, store, *kept, clock)).error(), errc::not_found);
    EXPECT_FALSE(store.load_identity().value());
    confirm();
    const auto who = run(io, finish_pairing(*client, store, *kept, clock));
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_FALSE(load_unconfirmed_pairing(store).value());
}

TEST_F(agent_pairing, a_relay_that_lost_the_confirmation_is_given_it_back)
{
    compared();
    const auto backup = *relay.chain;
    confirm();
    EXPECT_EQ(advance().value(), state::confirmed);
    relay.chain = backup;
    const auto who = finish();
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ(relay.chain->size(), 2u);
}

TEST_F(agent_pairing, one_that_went_on_elsewhere_is_a_matter_for_a_dashboard)
{
    compared();
    const auto backup = *relay.chain;
    confirm();
    EXPECT_EQ(advance().value(), state::confirmed);
    relay.chain = backup;
    owner.add(*relay.chain, some_device());
    EXPECT_EQ(finish().error(), errc::conflict);
    EXPECT_FALSE(store.load_identity().value());
}
