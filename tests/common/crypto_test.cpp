#include "consortium/common/aead.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/box.hpp"
#include "consortium/common/sign.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sodium.h>

using namespace consortium;

TEST(crypto, ed25519_agrees_with_the_vectors_of_the_protocol)
{
    byte_array<32> seed;
    for (std::size_t i = 0; i < seed.size(); ++i)
        seed[i] = static_cast<std::uint8_t>(i);
    bytes challenge;
    for (std::uint8_t byte = 0x40; byte < 0x60; ++byte)
        challenge.push_back(byte);
    const auto key = ed25519_key::from_seed(key256(seed));
    EXPECT_EQ(base64_encode(key.public_key()), "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    const auto signature = key.sign(challenge);
    EXPECT_EQ(
        base64_encode(signature),
        "1k8t0QgZuXhHdlYGtzb0Qwc4iUJBaCzdiDS8v2xyUFJyqMKJB14yF4/T+Grtl1Xtsq+Sx238PF3SufJWNg0IDA==");
    EXPECT_TRUE(ed25519_verify(key.public_key(), challenge, signature));
    EXPECT_FALSE(ed25519_verify(key.public_key(), view("another"), signature));
    EXPECT_FALSE(ed25519_verify(byte_view(key.public_key()).first(31), challenge, signature));
    EXPECT_FALSE(ed25519_verify(key.public_key(), challenge, byte_view(signature).first(63)));
}

RC_GTEST_PROP(
    crypto, sealed_bytes_open_only_whole_unchanged_and_in_their_place, (const bytes& plain, const bytes& place))
{
    const auto key = key256::random();
    const auto sealed = xchacha_seal_with_nonce(key, place, plain);
    RC_ASSERT(xchacha_open_with_nonce(key, place, sealed).value() == plain);
    RC_ASSERT(!xchacha_open_with_nonce(key256::random(), place, sealed));

    auto elsewhere = place;
    elsewhere.push_back(0);
    RC_ASSERT(!xchacha_open_with_nonce(key, elsewhere, sealed));

    auto changed = sealed;
    const auto at = *rc::gen::inRange<std::size_t>(0, changed.size());
    changed[at] ^= static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    RC_ASSERT(!xchacha_open_with_nonce(key, place, changed));
    RC_ASSERT(!xchacha_open_with_nonce(
        key, place, byte_view(sealed).first(*rc::gen::inRange<std::size_t>(0, sealed.size()))));
}

/// Short and long ones are the work of different libraries.
TEST(crypto, every_length_is_sealed_as_libsodium_seals_it)
{
    const auto key = key256::random();
    const auto place = random_array<66>();
    for (std::size_t size = 0; size < 1200; size += size < 300 ? 1 : 97)
        for (const auto authenticated : {byte_view(), byte_view(place)})
        {
            bytes plain(size);
            fill_random(plain);
            const auto nonce = random_array<xchacha_nonce_bytes>();
            bytes expected(size + aead_tag_bytes);
            crypto_aead_xchacha20poly1305_ietf_encrypt(
                expected.data(), nullptr, plain.data(), plain.size(), authenticated.data(), authenticated.size(),
                nullptr, nonce.data(), key.data());
            bytes sealed;
            xchacha_seal(sealed, key, nonce, authenticated, plain);
            EXPECT_EQ(sealed, expected) << size;
            bytes opened;
            ASSERT_TRUE(xchacha_open(opened, key, nonce, authenticated, expected)) << size;
            EXPECT_EQ(opened, plain) << size;
            expected.back() ^= 1;
            EXPECT_FALSE(xchacha_open(opened, key, nonce, authenticated, expected)) << size;
            EXPECT_TRUE(opened.empty()) << size;
        }
}

TEST(crypto, a_public_key_of_small_order_is_refused)
{
    EXPECT_EQ(box_bundle_seal(x25519_public{}, view("x")).error(), errc::bad_request);
}
