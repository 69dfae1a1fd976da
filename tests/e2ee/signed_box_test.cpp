#include "consortium/common/base64.hpp"
#include "consortium/e2ee/signed_box.hpp"
#include "e2ee/run_of.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

const auto agent = ed25519_key::from_seed(key_of(0x20));
const auto content = x25519_key::from_seed(key_of(0));
const account_id account{run_of<16>(0x10)};

/// A box around `plain`, as somebody makes it who keeps no rule.
std::string boxed(byte_view plain, std::uint8_t version = 1)
{
    bytes out{version};
    append(out, box_bundle_seal(content.public_key(), plain).value());
    return base64_encode(out);
}
/// What is in `box`.
bytes inside(const std::string& box)
{
    return box_bundle_open(content, byte_view(*base64_decode(box)).subspan(1)).value();
}

} // namespace

TEST(e2ee_signed_box, a_data_key_opens_and_says_who_made_it)
{
    const auto box = seal_data_key(agent, account, content.public_key(), "session", key_of(0x80)).value();
    EXPECT_EQ(box.size(), 268u);
    const auto opened = open_data_key(content, account, "session", box).value();
    EXPECT_EQ(opened.data_key, key_of(0x80));
    EXPECT_EQ(opened.device, agent.public_key());
}

TEST(e2ee_signed_box, is_for_one_account_one_recipient_one_label_and_one_scope)
{
    const auto box = seal_data_key(agent, account, content.public_key(), "session", key_of(0x80)).value();
    EXPECT_FALSE(open_data_key(content, account_id{run_of<16>(0x11)}, "session", box));
    EXPECT_FALSE(open_data_key(x25519_key::random(), account, "session", box));
    EXPECT_FALSE(open_data_key(content, account, "machine", box));
    EXPECT_FALSE(open_signed_box(content, account, {notice_label, "session"}, box));
    // Who can open it cannot pass it on: the signature names the recipient.
    const auto other = x25519_key::random();
    bytes passed_on{1};
    append(passed_on, box_bundle_seal(other.public_key(), inside(box)).value());
    EXPECT_EQ(open_data_key(other, account, "session", base64_encode(passed_on)).error(), errc::corrupt);
}

TEST(e2ee_signed_box, nobody_can_put_his_name_on_anothers_box)
{
    auto plain = inside(seal_data_key(agent, account, content.public_key(), "session", key_of(0x80)).value());
    const auto mine = ed25519_key::random().public_key();
    std::ranges::copy(mine, plain.begin());
    EXPECT_EQ(open_data_key(content, account, "session", boxed(plain)).error(), errc::corrupt);
}

TEST(e2ee_signed_box, a_data_key_has_32_bytes)
{
    for (const std::size_t size : {0u, 31u, 33u})
    {
        const auto box =
            seal_signed_box(agent, account, content.public_key(), {data_key_label, "session"}, bytes(size, 7)).value();
        EXPECT_TRUE(open_signed_box(content, account, {data_key_label, "session"}, box));
        EXPECT_EQ(open_data_key(content, account, "session", box).error(), errc::corrupt) << size;
    }
}

TEST(e2ee_signed_box, refuses_other_forms)
{
    const auto open = [](const std::string& box) { return open_data_key(content, account, "session", box); };
    EXPECT_EQ(open("").error(), errc::corrupt);
    EXPECT_EQ(open("not base64").error(), errc::corrupt);
    EXPECT_EQ(open("AQ==").error(), errc::corrupt);
    EXPECT_EQ(open(boxed(bytes(95, 1))).error(), errc::corrupt) << "too short for who and what";
    const auto plain = inside(seal_data_key(agent, account, content.public_key(), "session", key_of(0x80)).value());
    EXPECT_TRUE(open(boxed(plain)));
    EXPECT_EQ(open(boxed(plain, 0)).error(), errc::newer_version) << "the first edition's, which anybody could make";
    EXPECT_EQ(open(boxed(key_of(7).view(), 0)).error(), errc::newer_version);
    EXPECT_FALSE(seal_data_key(agent, account, x25519_public{}, "session", key_of(7)));
}

RC_GTEST_PROP(e2ee_signed_box, opens_only_whole_and_unchanged, (const bytes& payload))
{
    const box_purpose purpose{notice_label, std::string(32, 'a')};
    auto box = seal_signed_box(agent, account, content.public_key(), purpose, payload).value();
    RC_ASSERT(open_signed_box(content, account, purpose, box)->payload == payload);
    auto raw = *base64_decode(box);
    const auto size = *rc::gen::inRange<std::size_t>(0, raw.size());
    RC_ASSERT(!open_signed_box(content, account, purpose, base64_encode(byte_view(raw).first(size))));
    raw[size] ^= 1;
    RC_ASSERT(!open_signed_box(content, account, purpose, base64_encode(raw)));
    // The same inside an authentic box: the signature covers every byte of it.
    auto plain = inside(box);
    plain[*rc::gen::inRange<std::size_t>(0, plain.size())] ^= 1;
    RC_ASSERT(!open_signed_box(content, account, purpose, boxed(plain)));
}
