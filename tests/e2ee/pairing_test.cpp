#include "consortium/common/base64.hpp"
#include "consortium/e2ee/pairing.hpp"
#include "e2ee/run_of.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

const auto secret = key_of(0x60);
const auto public_key = run_of<32>(0x40);
const auto device = run_of<32>(0x20);
const pairing_answer answer{run_of<32>(0xa0), run_of<32>(0xc0), run_of<32>(0xe0), "acc"};

} // namespace

TEST(e2ee_pairing, the_request_mac_agrees_with_the_vector)
{
    const pairing_request request{public_key, device, device_kind::agent, "c2VhbGVk"};
    EXPECT_EQ(base64_encode(pairing_request_mac(secret, request)), "8cJ+PQ1/4OmKYneJ7169cqUd+Tj8gfjZHc3XxBNaGGY=");
}

TEST(e2ee_pairing, answer_and_code_agree_with_the_vectors)
{
    const auto plain = pairing_answer_make(secret, public_key, device, answer);
    EXPECT_EQ(
        hex_encode(byte_view(plain).last(32)), "900645525a7ec669fd4be14cb42eb2b3d75e2fc2110377977674543a4d3076fe");
    EXPECT_EQ(pairing_code(secret, public_key, plain), "558 640 723 232");
    const auto opened = pairing_answer_open(secret, public_key, device, plain).value();
    EXPECT_EQ(opened.account, answer.account);
    EXPECT_EQ(opened.content, answer.content);
    EXPECT_EQ(opened.approver, answer.approver);
    EXPECT_EQ(opened.account_id, "acc");
}

// Goal: a relay that answers in somebody else's name, or hands one agent's answer to another, is found out.
TEST(e2ee_pairing, an_answer_is_for_one_agent_from_someone_with_the_link)
{
    const auto plain = pairing_answer_make(secret, public_key, device, answer);
    EXPECT_FALSE(pairing_answer_open(key_of(0x61), public_key, device, plain));
    EXPECT_FALSE(pairing_answer_open(secret, run_of<32>(0x41), device, plain));
    EXPECT_FALSE(pairing_answer_open(secret, public_key, run_of<32>(0x21), plain));
    auto nameless = answer;
    nameless.account_id = "";
    EXPECT_FALSE(
        pairing_answer_open(secret, public_key, device, pairing_answer_make(secret, public_key, device, nameless)));
    nameless.account_id = "a b";
    EXPECT_FALSE(
        pairing_answer_open(secret, public_key, device, pairing_answer_make(secret, public_key, device, nameless)));
}

RC_GTEST_PROP(e2ee_pairing, an_answer_opens_only_whole_and_unchanged, ())
{
    const auto plain = pairing_answer_make(secret, public_key, device, answer);
    auto changed = plain;
    changed[*rc::gen::inRange<std::size_t>(0, changed.size())] ^=
        static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    RC_ASSERT(!pairing_answer_open(secret, public_key, device, changed));
    RC_ASSERT(!pairing_answer_open(
        secret, public_key, device, byte_view(plain).first(*rc::gen::inRange<std::size_t>(0, plain.size()))));
    RC_ASSERT(pairing_code(secret, public_key, changed) != pairing_code(secret, public_key, plain));
}

TEST(e2ee_pairing, a_link_reads_back)
{
    for (const auto* relay : {"http://127.0.0.1:3005", "https://relay.example/under"})
    {
        const auto made = pairing_link_make({relay, public_key, secret});
        const auto parsed = pairing_link_parse(made).value();
        EXPECT_EQ(parsed.relay_url, relay);
        EXPECT_EQ(parsed.public_key, public_key);
        EXPECT_EQ(parsed.secret, secret);
        EXPECT_EQ(made.find('#'), std::string(relay).size() + std::string("/pair").size());
        for (std::size_t size = 0; size < made.size(); ++size)
            EXPECT_FALSE(pairing_link_parse(made.substr(0, size)));
        EXPECT_FALSE(pairing_link_parse(made + "A"));
    }
    EXPECT_FALSE(pairing_link_parse("relay.example/pair#v=1&pk=x&s=y"));
}

TEST(e2ee_pairing, a_name_is_readable_with_the_link_only)
{
    const auto sealed = pairing_name_seal(secret, "Zoë's laptop");
    EXPECT_EQ(pairing_name_open(secret, sealed).value(), "Zoë's laptop");
    EXPECT_FALSE(pairing_name_open(key_of(0x61), sealed));
    EXPECT_FALSE(pairing_name_open(secret, "?"));
}
