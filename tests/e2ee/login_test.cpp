#include "consortium/common/base64.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/login.hpp"
#include "e2ee/run_of.hpp"
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

const auto account = make_account_keys(key_of(0)).login;

std::string challenge(
    std::string_view head, std::string_view origin, const ed25519_public& key, std::string_view expiry,
    std::size_t nonce_bytes = 32)
{
    const auto nonce = base64_encode(bytes(nonce_bytes, 7));
    return base64_encode(view(
        std::string(head) + "\n" + std::string(origin) + "\n" + base64_encode(key) + "\n" + std::string(expiry) + "\n" +
        nonce));
}

} // namespace

TEST(e2ee_login, origin_is_serialised_as_browsers_do)
{
    EXPECT_EQ(origin_of("http://127.0.0.1:3005").value(), "http://127.0.0.1:3005");
    EXPECT_EQ(origin_of("HTTPS://Relay.Example:443/some/path?x#y").value(), "https://relay.example");
    EXPECT_EQ(origin_of("http://relay.example:80/").value(), "http://relay.example");
    EXPECT_EQ(origin_of("https://relay.example:80").value(), "https://relay.example:80");
    EXPECT_EQ(origin_of("http://[::1]:3005/").value(), "http://[::1]:3005");
    EXPECT_EQ(origin_of("http://[::1]").value(), "http://[::1]");
    for (const auto* bad :
         {"", "127.0.0.1:3005", "ftp://x", "http://", "http://user@x", "http://x:99999", "http://x:1a", "http://[x",
          "http://[::1]x", "http://a:b:1"})
        EXPECT_FALSE(origin_of(bad)) << bad;
}

TEST(e2ee_login, only_a_challenge_for_this_relay_and_key_is_signed)
{
    const std::string_view origin = "http://127.0.0.1:3005";
    const auto& key = account.public_key();
    EXPECT_TRUE(challenge_check(challenge("consortium-login-1", origin, key, "1700000000000"), origin, key));
    EXPECT_EQ(
        challenge_check(challenge("consortium-login-1", "http://other", key, "1700000000000"), origin, key).error(),
        errc::wrong_origin);
    EXPECT_FALSE(challenge_check(challenge("something else", origin, key, "1700000000000"), origin, key));
    EXPECT_FALSE(challenge_check(challenge("consortium-login-1", origin, run_of<32>(9), "1700000000000"), origin, key));
    EXPECT_FALSE(challenge_check(challenge("consortium-login-1", origin, key, "soon"), origin, key));
    EXPECT_FALSE(challenge_check(challenge("consortium-login-1", origin, key, ""), origin, key));
    EXPECT_FALSE(challenge_check(challenge("consortium-login-1", origin, key, "1700000000000", 31), origin, key));
    EXPECT_FALSE(challenge_check(base64_encode(bytes(32, 1)), origin, key));
    EXPECT_FALSE(challenge_check("no base64", origin, key));
}

TEST(e2ee_login, both_keys_sign_challenge_and_device)
{
    const auto device = ed25519_key::random();
    const bytes words{1, 2, 3};
    const auto signatures = sign_login(words, account, device);
    auto message = words;
    append(message, device.public_key());
    EXPECT_TRUE(ed25519_verify(account.public_key(), message, signatures.account));
    EXPECT_TRUE(ed25519_verify(device.public_key(), message, signatures.device));
}
