#include "consortium/common/base64.hpp"
#include "consortium/e2ee/backup.hpp"
#include "consortium/e2ee/box.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "e2ee/run_of.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

constexpr auto backup_vector = "AAAQE-AYEAU-DAOCA-JBIFQ-YDIOB-4IBCE-QTCQK-RMFYY-DENBW-HA5DY-PQ";

} // namespace

TEST(e2ee_keys, the_key_tree_agrees_with_the_vectors)
{
    const auto secret = key_of(0);
    EXPECT_EQ(
        hex_encode(derive(secret, "Happy EnCoder", {"content"}).view()),
        "67eebf3ff0eb241774d2f6e45e4869ca3e01785630dae7635428076e725351be");
    EXPECT_EQ(
        hex_encode(derive(secret, "Happy Blobs", {"master"}).view()),
        "c1c73ca3c5c5e2d17a27b07881bb0bd5b2d373d68db37c53d8d270d1d96c6b52");
    EXPECT_EQ(
        hex_encode(derive(key_of(0x80), "Happy Blobs", {"session"}).view()),
        "0e7f158ef09d6c957e9a84ff727a51dbd7573b0e052f671abdcab6e05a7c5cf5");
    EXPECT_EQ(hex_encode(derive(secret, "Happy Coder", {"analytics", "id"}).view()).substr(0, 16), "c7763c5f6394a306");
    EXPECT_EQ(
        hex_encode(session_metadata_key(key_of(0x80)).view()),
        "35728459acbceb0982617b05d0d693cc1946aa7974c4eb99297c2811b0a9640c");
    EXPECT_EQ(
        hex_encode(derive(key_of(0x80), "Consortium Metadata", {"machine"}).view()),
        "ca68a379e15fa3e24f4e7e5ce15f48bf7ac98c8e23a286123497426f47d23ad5");
}

TEST(e2ee_keys, the_account_keys_agree_with_the_vectors)
{
    const auto keys = make_account_keys(key_of(0));
    EXPECT_EQ(base64_encode(keys.login.public_key()), "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    EXPECT_EQ(
        hex_encode(keys.content.secret().view()), "56f43aee0c93b2163b5e45b14264d06b0c9613195e23da0190f6838d6ac9c562");
    EXPECT_EQ(
        hex_encode(keys.content.public_key()), "241af979415ad6dbc99d93af8c2babf288cf96084ad6e8fe7072ed4e229d445b");
}

TEST(e2ee_keys, a_terminal_key_agrees_with_the_vectors)
{
    const auto terminal = x25519_key::from_secret(key_of(0xc0));
    EXPECT_EQ(base64url_encode(terminal.public_key()), "3CzKMejkO72R3_fkdcyjNH60eBB9W9dlq6SuSjDDXUQ");
    const auto account_secret = box_bundle_open(
        terminal,
        *base64_decode("YFpyXSpK3+6xop4X7dYhwbdZPujNvESsbEq24vgF0jwQERITFBUWFxgZGhscHR4fICEiIyQlJifgjYnO0N1CCpAjr"
                       "1BrWqumI5wdYkxULG3v0UoAH/KUe2UheT4jCkeNoUPpy3JfC+U="));
    ASSERT_TRUE(account_secret);
    EXPECT_EQ(*account_secret, to_bytes(key_of(0).view()));
    const auto content_key = box_bundle_open(
        terminal,
        *base64_decode("YFpyXSpK3+6xop4X7dYhwbdZPujNvESsbEq24vgF0jwQERITFBUWFxgZGhscHR4fICEiIyQlJif9Wih/XFP6tiwYu"
                       "HVn8tIdI7kFmDEQcLw8Ed2YvHOx34e4pLs/VYdyRyqBPSBgiL5a"));
    ASSERT_TRUE(content_key);
    EXPECT_EQ(content_key->size(), 33u);
    EXPECT_EQ(
        hex_encode(byte_view(*content_key).subspan(1)),
        "241af979415ad6dbc99d93af8c2babf288cf96084ad6e8fe7072ed4e229d445b");
}

RC_GTEST_PROP(e2ee_keys, a_box_bundle_opens_only_whole_and_unchanged, (const bytes& plain))
{
    const auto key = x25519_key::random();
    const auto bundle = box_bundle_seal(key.public_key(), plain).value();
    RC_ASSERT(box_bundle_open(key, bundle).value() == plain);
    auto changed = bundle;
    // The top bit of an X25519 public key is not part of the number.
    const auto bit = *rc::gen::distinctFrom(rc::gen::inRange<std::size_t>(0, changed.size() * 8), std::size_t{255});
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    RC_ASSERT(!box_bundle_open(key, changed));
    RC_ASSERT(!box_bundle_open(key, byte_view(bundle).first(*rc::gen::inRange<std::size_t>(0, bundle.size()))));
}

RC_GTEST_PROP(e2ee_keys, metadata_opens_in_both_forms_and_only_unchanged, (const bytes& plain))
{
    const auto data_key = key256::random();
    const auto key = session_metadata_key(data_key);
    const auto sealed = metadata_seal(key, plain);
    RC_ASSERT(metadata_open(key, data_key, sealed).value() == plain);
    RC_ASSERT(metadata_open(key, data_key, bundle_v0_seal(data_key, random_array<12>(), plain)).value() == plain);
    auto changed = sealed;
    changed[*rc::gen::inRange<std::size_t>(0, changed.size())] ^= 1;
    RC_ASSERT(!metadata_open(key, data_key, changed));
    RC_ASSERT(!metadata_open(key, data_key, byte_view(sealed).first(*rc::gen::inRange<std::size_t>(0, sealed.size()))));
    RC_ASSERT(!metadata_open(derive(data_key, "Consortium Metadata", {"machine"}), data_key, sealed));
}

TEST(e2ee_backup, agrees_with_the_vector_and_forgives_how_people_write)
{
    EXPECT_EQ(backup_text(key_of(0)), backup_vector);
    EXPECT_EQ(backup_parse(backup_vector).value(), key_of(0));
    EXPECT_EQ(backup_parse("  aaaqe ayeau daoca jbifq ydi0b 4ibce qtcqk rmfyy denbw ha5dy pq.\n").value(), key_of(0));
    EXPECT_EQ(backup_parse("AAAQEAYEAUDA0CAJ81FQYD108418CEQTCQKRMFYYDEN8WHA5DYPQ").value(), key_of(0));
    EXPECT_EQ(backup_parse(base64url_encode(key_of(0).view())).value(), key_of(0));
    EXPECT_EQ(backup_parse(base64url_encode(key_of(0xe0).view())).value(), key_of(0xe0));
}

TEST(e2ee_backup, refuses_what_is_no_key)
{
    EXPECT_FALSE(backup_parse(""));
    EXPECT_FALSE(backup_parse("   "));
    EXPECT_FALSE(backup_parse("AAAQE"));
    EXPECT_FALSE(backup_parse(std::string(backup_vector) + "-A"));
    EXPECT_FALSE(backup_parse(std::string_view(backup_vector).substr(1)));
}

RC_GTEST_PROP(e2ee_backup, every_key_reads_back, ())
{
    const auto key = key256::random();
    RC_ASSERT(backup_parse(backup_text(key)).value() == key);
    auto spaced = backup_text(key);
    std::ranges::replace(spaced, '-', ' ');
    RC_ASSERT(backup_parse(spaced).value() == key);
}
