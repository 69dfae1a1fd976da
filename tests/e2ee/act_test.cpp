#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/e2ee/act.hpp"
#include "e2ee/run_of.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

const auto browser = ed25519_key::from_seed(key_of(0x20));
const act_place place{
    account_id{run_of<16>(0x10)}, "20212223-2425-2627-2829-2a2b2c2d2e2f", "rpc-request:permission", run_of<16>(0x30)};

} // namespace

TEST(e2ee_act, counts_in_its_place_and_nowhere_else)
{
    const auto said = sign_act(browser, place, R"({"challenge":"c","d":{}})");
    EXPECT_EQ(said.device, browser.public_key());
    EXPECT_TRUE(verify_act(place, said));

    auto elsewhere = place;
    elsewhere.account = account_id{run_of<16>(0x11)};
    EXPECT_FALSE(verify_act(elsewhere, said)) << "another account";
    elsewhere = place;
    elsewhere.scope.back() = '0';
    EXPECT_FALSE(verify_act(elsewhere, said)) << "another session";
    elsewhere = place;
    elsewhere.kind = "rpc-request:abort";
    EXPECT_FALSE(verify_act(elsewhere, said)) << "another method";
    elsewhere = place;
    elsewhere.bundle = run_of<16>(0x31);
    EXPECT_FALSE(verify_act(elsewhere, said)) << "another bundle";
    // The lengths are signed: a letter cannot move from the scope to the kind.
    elsewhere = place;
    elsewhere.kind = elsewhere.scope.back() + elsewhere.kind;
    elsewhere.scope.pop_back();
    EXPECT_FALSE(verify_act(elsewhere, said));
}

TEST(e2ee_act, is_for_one_text_and_one_device)
{
    auto said = sign_act(browser, place, "{}");
    said.text = "{} ";
    EXPECT_FALSE(verify_act(place, said));
    said.text = "{}";
    EXPECT_TRUE(verify_act(place, said));
    said.device = ed25519_key::from_seed(key_of(0x40)).public_key();
    EXPECT_FALSE(verify_act(place, said));
}

// Goal: the words that are signed are those of docs/protocol.md 5.2 to the byte.
TEST(e2ee_act, signs_the_words_of_the_protocol)
{
    bytes words = to_bytes(view("consortium act 1\n"));
    append(words, place.account.view());
    append(words, bytes{0, 36});
    append(words, place.scope);
    append(words, bytes{0, 22});
    append(words, place.kind);
    append(words, place.bundle);
    append(words, sha256({view("{}")}));
    EXPECT_TRUE(ed25519_verify(browser.public_key(), words, sign_act(browser, place, "{}").signature));
}

TEST(e2ee_act, refuses_other_forms)
{
    const auto device = base64_encode(browser.public_key());
    const auto signature = base64_encode(bytes(64, 1));
    const auto form = [](const std::string& text, const std::string& key, const std::string& sign)
    { return R"({"text":)" + text + R"(,"device":)" + key + R"(,"signature":)" + sign + "}"; };
    const auto quoted = [](const std::string& value) { return '"' + value + '"'; };
    EXPECT_TRUE(act_parse(view(form("\"x\"", quoted(device), quoted(signature)))));
    for (const auto& bad : {
             std::string(),
             std::string("{}"),
             std::string("[]"),
             std::string("{\"text\":\"x\"}"),
             form("{}", quoted(device), quoted(signature)),
             form("\"x\"", quoted("AA=="), quoted(signature)),
             form("\"x\"", quoted(device), quoted(device)),
             form("\"x\"", "7", quoted(signature)),
             form("\"x\"", quoted(device), quoted(signature.substr(0, signature.size() - 1))),
         })
        EXPECT_EQ(act_parse(view(bad)).error(), errc::corrupt) << bad;
    // What is no Unicode is read as a browser signs it: as U+FFFD.
    for (const auto* torn : {"\"\xff\"", R"("\ud800")"})
        EXPECT_EQ(act_parse(view(form(torn, quoted(device), quoted(signature))))->text, "\xef\xbf\xbd") << torn;
}

RC_GTEST_PROP(e2ee_act, reads_back_what_it_writes_and_no_beginning_of_it, ())
{
    const auto letters = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
    const auto said = sign_act(browser, place, letters);
    const auto plain = act_plain(said);
    const auto read = act_parse(view(plain));
    RC_ASSERT(read && read->text == letters && verify_act(place, *read));
    const auto size = *rc::gen::inRange<std::size_t>(0, plain.size());
    RC_ASSERT(!act_parse(view(plain).first(size)));
}

RC_GTEST_PROP(e2ee_act, a_flipped_bit_is_noticed, ())
{
    auto said = sign_act(browser, place, "some text");
    const auto bit = *rc::gen::inRange<std::size_t>(0, 8 * (64 + 32 + 9));
    auto* at = bit / 8 < 64   ? &said.signature[bit / 8]
               : bit / 8 < 96 ? &said.device[bit / 8 - 64]
                              : reinterpret_cast<std::uint8_t*>(&said.text[bit / 8 - 96]);
    *at = static_cast<std::uint8_t>(*at ^ (1u << (bit % 8)));
    RC_ASSERT(!verify_act(place, said));
}

TEST(e2ee_act, names_a_question_by_its_hash)
{
    EXPECT_EQ(ask_hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
