#include "agent/fake_directory.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "e2ee/run_of.hpp"
#include "session/call_gate.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace
{

const auto session_key = key_of(0x80);
const account_id account{run_of<16>(0x10)};
const std::string sid = "20212223-2425-2627-2829-2a2b2c2d2e2f";

class calls : public ::testing::Test
{
protected:
    std::string seal(byte_view plain, const e2ee::bundle_id& id, const std::string& method)
    {
        return base64_encode(
            e2ee::bundle_seal(session_key, {to_string(account), sid, "rpc-request:" + method}, id, plain).value());
    }
    /// A call as a browser makes it.
    std::string
    call(const std::string& method, json::value d, const std::string& challenge, const std::string& signed_for = {})
    {
        const auto id = random_array<16>();
        const e2ee::act_place place{account, sid, "rpc-request:" + (signed_for.empty() ? method : signed_for), id};
        const auto act = e2ee::sign_act(browser, place, e2ee::call_text({challenge, std::move(d)}));
        return seal(view(e2ee::act_plain(act)), id, method);
    }

    manual_boot_clock clock;
    ed25519_key browser = ed25519_key::from_seed(key_of(0x20));
    call_gate gate{session_key, account, sid, clock};
};

} // namespace

TEST_F(calls, are_let_in_once)
{
    const auto params = call("abort", json::object{{"x", 1}}, gate.new_challenge());
    const auto opened = gate.open(call_method::abort, params);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->d, json::value({{"x", 1}}));
    EXPECT_EQ(opened->act->device, browser.public_key());
    EXPECT_EQ(gate.open(call_method::abort, params).error(), errc::expired);
}

TEST_F(calls, of_another_method_or_without_a_challenge_of_ours_are_not)
{
    EXPECT_FALSE(gate.open(call_method::permission, call("abort", {}, gate.new_challenge())));
    EXPECT_FALSE(gate.open(call_method::abort, call("abort", {}, std::string(32, 'a'))));
    EXPECT_FALSE(gate.open(call_method::abort, call("abort", {}, "")));
    EXPECT_FALSE(gate.open(call_method::abort, ""));
    EXPECT_FALSE(gate.open(call_method::abort, "????"));
    EXPECT_FALSE(gate.open(call_method::abort, std::string(limits::call_bytes_max + 4, 'A')));
    call_gate another(session_key, account, sid, clock);
    EXPECT_FALSE(gate.open(call_method::abort, call("abort", {}, another.new_challenge()))) << "another process";
}

// Goal: what anybody can make does not use a challenge up: whoever asked for it can still act.
TEST_F(calls, a_wrong_signature_strikes_no_challenge_off)
{
    const auto challenge = gate.new_challenge();
    EXPECT_EQ(
        gate.open(call_method::set_mode, call("set-mode", {}, challenge, /*signed_for=*/"abort")).error(),
        errc::corrupt);
    const auto unsigned_call = e2ee::call_text({challenge, json::object()});
    EXPECT_FALSE(gate.open(call_method::set_mode, seal(view(unsigned_call), random_array<16>(), "set-mode")));
    auto changed = *base64_decode(call("set-mode", {}, challenge));
    changed.back() ^= 1;
    EXPECT_FALSE(gate.open(call_method::set_mode, base64_encode(changed)));
    EXPECT_TRUE(gate.open(call_method::set_mode, call("set-mode", json::object(), challenge)));
}

TEST_F(calls, are_late_after_a_minute_of_a_clock_that_runs_on_in_sleep)
{
    const auto early = call("abort", {}, gate.new_challenge());
    clock.advance(59s);
    const auto opened = gate.open(call_method::abort, early);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(gate.in_time(*opened));
    clock.advance(2s);
    EXPECT_FALSE(gate.in_time(*opened)) << "nor may it be carried out later";

    const auto late = call("abort", {}, gate.new_challenge());
    clock.advance(61s);
    EXPECT_EQ(gate.open(call_method::abort, late).error(), errc::expired);
    const auto slept = call("abort", {}, gate.new_challenge());
    clock.advance(3h);
    EXPECT_EQ(gate.open(call_method::abort, slept).error(), errc::expired);
}

TEST_F(calls, the_oldest_challenge_goes_when_too_many_are_open)
{
    const auto oldest = gate.new_challenge();
    const auto second = gate.new_challenge();
    for (std::size_t i = 0; i < limits::call_challenges_max - 1; ++i)
        (void)gate.new_challenge();
    EXPECT_FALSE(gate.open(call_method::abort, call("abort", {}, oldest)));
    EXPECT_TRUE(gate.open(call_method::abort, call("abort", {}, second)));
}

TEST_F(calls, begin_and_devices_need_no_signature)
{
    const auto id = random_array<16>();
    const auto begun = gate.open_begin(seal(view(R"({"devices":"ab"})"), id, "begin"));
    ASSERT_TRUE(begun);
    EXPECT_EQ(begun->id, id);
    EXPECT_EQ(begun->devices, "ab");
    EXPECT_FALSE(gate.open_begin(seal(view("[]"), id, "begin")));
    EXPECT_FALSE(gate.open_begin(seal(view(R"({"devices":"ab"})"), id, "abort")));

    const auto bare = e2ee::call_text({gate.new_challenge(), json::object{{"statements", json::array()}}});
    const auto devices = gate.open(call_method::devices, seal(view(bare), id, "devices"));
    ASSERT_TRUE(devices);
    EXPECT_FALSE(devices->act);
}

TEST_F(calls, are_answered_under_their_id)
{
    const auto id = random_array<16>();
    const auto sealed = gate.seal(call_method::abort, id, json::object()).value();
    const auto opened =
        e2ee::bundle_open(session_key, {to_string(account), sid, "rpc-response:abort"}, *base64_decode(sealed)).value();
    EXPECT_EQ(opened.id, id);
    EXPECT_EQ(text(opened.plain), "{}");
}

TEST(call_rights, good_browsers_act_and_anybody_may_stop)
{
    using known = device_directory::known;
    const std::optional<known> nobody;
    const std::optional good(known{device_kind::browser, false, ""});
    const std::optional revoked(known{device_kind::browser, true, ""});
    const std::optional agent(known{device_kind::agent, false, ""});
    const auto call = [](call_method method, json::value d = json::object())
    {
        accepted_call out;
        out.method = method;
        out.d = std::move(d);
        return out;
    };
    for (const auto method :
         {call_method::permission, call_method::set_mode, call_method::set_model, call_method::held,
          call_method::take_back, call_method::kill_session})
    {
        EXPECT_TRUE(may_act(call(method), good)) << word(method);
        for (const auto& other : {nobody, revoked, agent})
            EXPECT_FALSE(may_act(call(method), other)) << word(method);
    }
    for (const auto& any : {nobody, good, revoked, agent})
    {
        EXPECT_TRUE(may_act(call(call_method::abort), any));
        EXPECT_TRUE(may_act(call(call_method::stop_task), any));
        EXPECT_TRUE(may_act(call(call_method::permission, {{"decision", "denied"}}), any));
        EXPECT_TRUE(may_act(call(call_method::permission, {{"decision", "abort"}}), any));
    }
    EXPECT_FALSE(may_act(call(call_method::permission, {{"decision", "approved"}}), revoked));
    EXPECT_FALSE(may_act(call(call_method::permission, "denied"), revoked));
}

TEST(call_methods, have_one_word_each)
{
    for (const auto& each : call_method_words())
        EXPECT_EQ(word(*call_method_of(each)), each);
    EXPECT_EQ(call_method_words().size(), 10u);
    EXPECT_FALSE(call_method_of("spawn"));
}

// Goal: whatever is issued, used and let pass, a challenge is good at most once, and never after its minute.
RC_GTEST_PROP(challenges, are_good_once_and_soon, ())
{
    manual_boot_clock clock;
    challenge_book book(clock);
    struct issued
    {
        std::string challenge;
        std::chrono::milliseconds at;
        bool used = false;
    };
    std::vector<issued> all;
    for (const auto step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100)))
    {
        if (step < 40)
            all.push_back({book.issue(), clock.now().at});
        else if (step < 60)
            clock.advance(std::chrono::seconds(step));
        else if (!all.empty())
        {
            auto& each = all[static_cast<std::size_t>(step) % all.size()];
            const bool good = book.strike_off(each.challenge).has_value();
            RC_ASSERT(good == (!each.used && clock.now().at - each.at <= limits::call_lifetime));
            each.used = true;
        }
        RC_ASSERT(book.open_count() <= limits::call_challenges_max);
    }
}
