#include "auth/tokens.hpp"
#include "consortium/common/base64.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::relay
{
namespace
{

const token_claims claims{account_id{{1, 2, 3}}, device_id{{4, 5, 6}}, 0};

class tokens_test : public ::testing::Test
{
protected:
    static void SetUpTestSuite() { init_crypto(); }

    authenticator make(std::size_t remembered = 16)
    {
        return {key256(byte_array<32>{7}), [this](const token_claims& given) { return look_up(given); }, remembered};
    }
    result<token_holder> look_up(const token_claims& given)
    {
        ++lookups;
        if (during_lookup)
            during_lookup();
        if (given.account != claims.account)
            return fail(errc::not_found, "no account");
        return token_holder{{given.account, given.device, device_kind::browser}, sign_outs, revoked};
    }

    int lookups = 0;
    bool revoked = false;
    std::uint64_t sign_outs = 0;
    std::function<void()> during_lookup;
};

TEST_F(tokens_test, a_token_says_account_and_device_and_never_expires)
{
    const token_signer signer(key256(byte_array<32>{7}));
    const auto token = signer.make(claims, 1'700'000'000'123);
    EXPECT_EQ(signer.verify(token), claims);
    EXPECT_EQ(token.substr(0, token.find('.')), "eyJhbGciOiJFZERTQSJ9"); // {"alg":"EdDSA"}
    const auto payload = token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1);
    EXPECT_EQ(
        text(*base64url_decode(payload)),
        R"({"sub":"01020300-0000-0000-0000-000000000000","jti":"04050600-0000-0000-0000-000000000000","g":0,"iat":1700000000})");
}

// Goal: browsers decode the payload with atob(), which knows neither '-' nor '_'.
RC_GTEST_FIXTURE_PROP(
    tokens_test, the_payload_is_standard_base64_too,
    (byte_array<16> account, byte_array<16> device, std::uint32_t time))
{
    const token_signer signer(key256(byte_array<32>{7}));
    const auto token = signer.make({account_id{account}, device_id{device}, 3}, std::int64_t{time} * 1000);
    const auto payload = token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1);
    RC_ASSERT(payload.find_first_of("-_") == std::string::npos);
    RC_ASSERT((signer.verify(token) == token_claims{account_id{account}, device_id{device}, 3}));
}

// Goal: nothing but the very token is accepted. Method: every prefix, and a flipped bit of every character.
TEST_F(tokens_test, every_other_text_is_refused)
{
    const token_signer signer(key256(byte_array<32>{7}));
    const auto token = signer.make(claims, 0);
    for (std::size_t size = 0; size < token.size(); ++size)
        EXPECT_EQ(signer.verify(token.substr(0, size)).error(), errc::unauthorized);
    for (std::size_t at = 0; at < token.size(); ++at)
    {
        auto changed = token;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_EQ(signer.verify(changed).error(), errc::unauthorized) << at;
    }
    EXPECT_EQ(signer.verify(token + "A").error(), errc::unauthorized);
    EXPECT_EQ(token_signer(key256(byte_array<32>{8})).verify(token).error(), errc::unauthorized);
}

TEST_F(tokens_test, a_verified_token_is_remembered)
{
    auto known = make();
    const auto token = known.issue(claims, 0);
    EXPECT_EQ(known.verify(token)->who.device, claims.device);
    EXPECT_EQ(known.verify(token)->who.device, claims.device);
    EXPECT_EQ(lookups, 1);
}

TEST_F(tokens_test, a_revoked_device_is_refused_at_once)
{
    auto known = make();
    const auto token = known.issue(claims, 0);
    ASSERT_TRUE(known.verify(token));
    revoked = true;
    known.forget(claims.device);
    EXPECT_EQ(known.verify(token).error(), errc::revoked);
}

TEST_F(tokens_test, who_asks_for_it_gets_a_revoked_device_too)
{
    auto known = make();
    const auto token = known.issue(claims, 0);
    revoked = true;
    EXPECT_TRUE(known.verify_even_revoked(token)->revoked);
    EXPECT_EQ(known.verify(token).error(), errc::revoked) << "what is remembered is no way in";
    EXPECT_EQ(known.verify_even_revoked("x").error(), errc::unauthorized);
}

TEST_F(tokens_test, signing_out_voids_what_was_issued_before)
{
    auto known = make();
    const auto before = known.issue(claims, 0);
    ASSERT_TRUE(known.verify(before));
    sign_outs = 1;
    known.forget(claims.device);
    EXPECT_EQ(known.verify(before).error(), errc::unauthorized);
    EXPECT_EQ(known.verify_even_revoked(before).error(), errc::unauthorized);
    auto next = claims;
    next.sign_outs = 1;
    EXPECT_TRUE(known.verify(known.issue(next, 0)));
    next.sign_outs = 2;
    EXPECT_EQ(known.verify(known.issue(next, 0)).error(), errc::unauthorized) << "of a log that was lost";
}

TEST_F(tokens_test, a_token_without_its_number_is_none)
{
    const auto key = ed25519_key::from_seed(key256(byte_array<32>{7}));
    const std::string payload =
        R"({"sub":"01020300-0000-0000-0000-000000000000","jti":"04050600-0000-0000-0000-000000000000","iat":1})";
    const auto head = "eyJhbGciOiJFZERTQSJ9." + base64url_encode(view(payload));
    EXPECT_EQ(make().verify(head + "." + base64url_encode(key.sign(view(head)))).error(), errc::unauthorized);
}

// Goal: a look-up that began before the revocation does not outlive it in the memory.
TEST_F(tokens_test, a_revocation_during_the_look_up_wins)
{
    auto known = make();
    const auto token = known.issue(claims, 0);
    during_lookup = [&] { known.forget(claims.device); };
    EXPECT_TRUE(known.verify(token));
    during_lookup = {};
    revoked = true;
    EXPECT_EQ(known.verify(token).error(), errc::revoked);
}

TEST_F(tokens_test, a_token_of_an_account_that_is_gone_is_none)
{
    auto known = make();
    EXPECT_EQ(known.verify(known.issue({account_id{{9}}, device_id{}, 0}, 0)).error(), errc::unauthorized);
}

TEST_F(tokens_test, memory_is_bounded)
{
    auto known = make(2);
    const auto one = known.issue(claims, 1'000);
    ASSERT_TRUE(known.verify(one));
    ASSERT_TRUE(known.verify(known.issue(claims, 2'000)));
    ASSERT_TRUE(known.verify(known.issue(claims, 3'000)));
    ASSERT_EQ(lookups, 3);
    ASSERT_TRUE(known.verify(one)); // the oldest was forgotten
    EXPECT_EQ(lookups, 4);
}

} // namespace
} // namespace consortium::relay
