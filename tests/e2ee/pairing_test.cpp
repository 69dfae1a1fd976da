#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/pairing.hpp"
#include "e2ee/run_of.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sstream>

using namespace consortium;
using namespace consortium::e2ee;
namespace json = boost::json;

namespace
{

const auto secret = key_of(0x60);
const auto public_key = run_of<32>(0x40);
const auto nonce = run_of<32>(0x10);
const auto transcript = run_of<32>(0x80);
const pairing_answer answer{run_of<32>(0xa0), run_of<32>(0xc0), account_id{run_of<16>(1)}, 3, run_of<32>(0xe0), nonce};

std::string text_of(const json::value& value)
{
    return std::string(value.as_string());
}
bytes bytes_of(const json::value& value)
{
    return base64_decode(value.as_string()).value();
}
template <std::size_t N>
byte_array<N> array_of(const json::value& value)
{
    const auto data = bytes_of(value);
    EXPECT_EQ(data.size(), N);
    return to_array<N>(data);
}
std::vector<bytes> list_of(const json::value& value)
{
    std::vector<bytes> out;
    for (const auto& each : value.as_array())
        out.push_back(bytes_of(each));
    return out;
}

/// The shared case of a pairing that succeeds, with what may go wrong around it.
class pairing_vectors : public testing::Test
{
protected:
    pairing_vectors()
    {
        std::ifstream file(CONSORTIUM_VECTORS "/pairing.json");
        std::stringstream content;
        content << file.rdbuf();
        given = json::parse(content.str()).as_object();
        link = pairing_link_parse(text_of(given.at("link").at("text"))).value();
        request = read(given.at("request"));
        own = ed25519_key::from_seed(key256(array_of<32>(given.at("devices").at("paired agent").at("seed"))));
    }

    static pairing_request read(const json::value& from)
    {
        pairing_request out;
        out.public_key = array_of<32>(from.at("publicKey"));
        out.device = array_of<32>(from.at("device").at("publicKey"));
        out.kind = text_of(from.at("device").at("kind")) == "agent" ? device_kind::agent : device_kind::browser;
        out.sealed_name = text_of(from.at("device").at("sealedName"));
        out.commit = array_of<32>(from.at("commit"));
        if (const auto* signature = from.as_object().if_contains("signature"))
            out.signature = array_of<64>(*signature);
        out.mac = array_of<32>(from.at("mac"));
        return out;
    }
    digest256 t() const { return pairing_transcript(request); }
    bytes plain() const { return bytes_of(given.at("answer").at("plaintext")); }
    pairing_nonce own_nonce() const { return array_of<32>(given.at("nonceA")); }
    std::string code_with(const pairing_nonce& of_agent) const
    {
        const auto code = pairing_code_of(link.secret, t(), plain(), of_agent);
        return code.shown_at_terminal + " " + code.asked_at_terminal;
    }

    json::object given;
    pairing_link link;
    pairing_request request;
    ed25519_key own = ed25519_key::random();
};

} // namespace

TEST_F(pairing_vectors, links_are_of_version_2)
{
    EXPECT_EQ(link.relay_url, text_of(given.at("link").at("relay")));
    EXPECT_EQ(link.public_key, array_of<32>(given.at("link").at("publicKey")));
    EXPECT_EQ(link.secret, key256(array_of<32>(given.at("link").at("s"))));
    EXPECT_EQ(pairing_link_make(link), text_of(given.at("link").at("text")));
    for (const auto& each : given.at("badLinks").as_array())
        EXPECT_FALSE(pairing_link_parse(text_of(each.at("text")))) << each.at("name");
}

TEST_F(pairing_vectors, a_request_is_made_as_everybody_makes_it)
{
    EXPECT_EQ(pairing_commit(request.public_key, request.device, own_nonce()), request.commit);
    EXPECT_EQ(pairing_request_text(request), bytes_of(given.at("R")));
    EXPECT_TRUE(check_pairing_request(request));
    EXPECT_TRUE(pairing_request_fits(link.secret, request));
    EXPECT_EQ(hex_encode(t()), text_of(given.at("T")));
    EXPECT_EQ(pairing_name_open(link.secret, request.sealed_name).value(), text_of(given.at("name")));
    // What is made here differs in the nonce of the name's box alone.
    auto made = pairing_request_make(link.secret, link.public_key, own, "workstation", own_nonce());
    EXPECT_TRUE(check_pairing_request(made));
    EXPECT_TRUE(pairing_request_fits(link.secret, made));
    EXPECT_EQ(made.commit, request.commit);
}

// Goal: what is refused of a request is refused by the relay where it can see it, and else by who has the link.
TEST_F(pairing_vectors, bad_requests_are_refused)
{
    for (const auto& each : given.at("badRequests").as_array())
    {
        const auto rule = text_of(each.at("rule"));
        if (rule == "length" || rule == "base64" || rule == "revoked")
            continue; // fields of other sizes are no request, and whom the chain revokes it says itself
        const auto wrong = read(each.at("request"));
        EXPECT_EQ(check_pairing_request(wrong).has_value(), rule == "mac") << each.at("name");
        if (rule == "mac")
            EXPECT_FALSE(pairing_request_fits(link.secret, wrong)) << each.at("name");
    }
    const auto copied = read(given.at("copiedCommit").at("request"));
    EXPECT_TRUE(check_pairing_request(copied));
    EXPECT_NE(pairing_commit(copied.public_key, copied.device, own_nonce()), copied.commit);
    for (const auto& each : given.at("badReveals").as_array())
    {
        if (const auto data = bytes_of(each.at("nonce")); data.size() == 32)
            EXPECT_NE(pairing_commit(request.public_key, request.device, to_array<32>(data)), request.commit);
    }
}

TEST_F(pairing_vectors, an_answer_opens_for_its_request_alone)
{
    const auto& expected = given.at("answer");
    const auto key = x25519_key::from_secret(key256(array_of<32>(given.at("link").at("secretKey"))));
    EXPECT_EQ(box_bundle_open(key, bytes_of(expected.at("response"))).value(), plain());
    const auto opened = pairing_answer_open(link.secret, t(), plain()).value();
    EXPECT_EQ(opened.account, array_of<32>(given.at("account").at("publicKey")));
    EXPECT_EQ(opened.content, array_of<32>(given.at("account").at("contentPublicKey")));
    EXPECT_EQ(to_string(opened.id), text_of(given.at("account").at("id")));
    EXPECT_EQ(opened.n, expected.at("n").to_number<std::uint64_t>());
    EXPECT_EQ(hex_encode(opened.hash), text_of(expected.at("hash")));
    EXPECT_EQ(opened.nonce, array_of<32>(expected.at("nonceD")));
    EXPECT_EQ(pairing_answer_make(link.secret, t(), opened), plain());
    for (const auto& each : given.at("badAnswers").as_array())
    {
        const auto box = box_bundle_open(key, bytes_of(each.at("response")));
        EXPECT_FALSE(box && pairing_answer_open(link.secret, t(), *box)) << each.at("name");
    }
}

TEST_F(pairing_vectors, the_code_is_of_all_that_went_before)
{
    EXPECT_EQ(code_with(own_nonce()), text_of(given.at("code")));
    const auto code = pairing_code_of(link.secret, t(), plain(), own_nonce());
    EXPECT_EQ(code.asked_at_terminal, text_of(given.at("dashboardShows")));
    EXPECT_EQ(code.shown_at_terminal, text_of(given.at("terminalShows")));
    const auto& zeros = given.at("codeWithZeros");
    EXPECT_EQ(code_with(array_of<32>(zeros.at("nonceA"))), text_of(zeros.at("code")));
}

TEST_F(pairing_vectors, a_refusal_is_the_devices_own)
{
    EXPECT_EQ(sign_pairing_refusal(own, t()), array_of<64>(given.at("refusal").at("signature")));
    EXPECT_TRUE(is_pairing_refusal(request.device, t(), array_of<64>(given.at("refusal").at("signature"))));
    for (const auto& each : given.at("badRefusals").as_array())
    {
        if (const auto data = bytes_of(each.at("signature")); data.size() == 64)
            EXPECT_FALSE(is_pairing_refusal(request.device, t(), to_array<64>(data))) << each.at("name");
    }
}

// Goal: the agent stores nothing unless the chain says all that was promised.
TEST_F(pairing_vectors, a_confirmed_chain_holds_what_was_answered_and_the_agent)
{
    const auto opened = pairing_answer_open(link.secret, t(), plain()).value();
    const auto chain = pairing_chain_check(opened, request.device, list_of(given.at("authorized")));
    ASSERT_TRUE(chain);
    EXPECT_EQ(chain->size(), given.at("authorized").as_array().size());
    for (const auto& each : given.at("badAuthorized").as_array())
        EXPECT_EQ(pairing_chain_check(opened, request.device, list_of(each.at("statements"))).error(), errc::corrupt)
            << each.at("name");
}

RC_GTEST_PROP(e2ee_pairing, an_answer_opens_only_whole_and_unchanged, ())
{
    const auto plain = pairing_answer_make(secret, transcript, answer);
    RC_ASSERT(pairing_answer_open(secret, transcript, plain).value() == answer);
    auto changed = plain;
    changed[*rc::gen::inRange<std::size_t>(0, changed.size())] ^=
        static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    RC_ASSERT(!pairing_answer_open(secret, transcript, changed));
    for (std::size_t size = 0; size < plain.size(); ++size)
        RC_ASSERT(!pairing_answer_open(secret, transcript, byte_view(plain).first(size)));
    RC_ASSERT(!pairing_answer_open(secret, run_of<32>(0x81), plain));
    RC_ASSERT(!pairing_answer_open(key_of(0x61), transcript, plain));
    RC_ASSERT(pairing_code_of(secret, transcript, changed, nonce) != pairing_code_of(secret, transcript, plain, nonce));
}

RC_GTEST_PROP(e2ee_pairing, a_request_is_good_only_unchanged, ())
{
    auto request = pairing_request_make(secret, public_key, ed25519_key::random(), "laptop", nonce);
    const auto at = *rc::gen::inRange(0, 6);
    const auto bit = static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    const auto byte = *rc::gen::inRange<std::size_t>(0, 32);
    if (at == 0)
        request.public_key[byte] ^= bit;
    else if (at == 1)
        request.device[byte] ^= bit;
    else if (at == 2)
        request.commit[byte] ^= bit;
    else if (at == 3)
        request.signature[byte] ^= bit;
    else if (at == 4)
        request.mac[byte] ^= bit;
    else
        request.sealed_name[byte] = request.sealed_name[byte] == 'x' ? 'y' : 'x';
    RC_ASSERT(!pairing_request_fits(secret, request));
    RC_ASSERT(check_pairing_request(request).has_value() == (at == 4));
}

TEST(e2ee_pairing, a_request_of_a_browser_or_with_an_endless_name_is_refused)
{
    const auto device = ed25519_key::random();
    auto request = pairing_request_make(secret, public_key, device, "laptop", nonce);
    request.kind = device_kind::browser;
    request.signature = device.sign(pairing_request_text(request));
    EXPECT_FALSE(check_pairing_request(request));
    request.kind = device_kind::agent;
    request.sealed_name.assign(limits::sealed_name_bytes_max + 1, 'A');
    request.signature = device.sign(pairing_request_text(request));
    EXPECT_FALSE(check_pairing_request(request));
}

TEST(e2ee_pairing, digits_may_be_typed_with_spaces_or_without)
{
    for (const auto* same : {"723232", "723 232", " 723-232 ", "7 2 3 2 3 2"})
        EXPECT_EQ(pairing_digits_read(same), "723 232") << same;
    for (const auto* other : {"", "1", "y", "723 2322", "723 23", "723,232", "72323x"})
        EXPECT_FALSE(pairing_digits_read(other)) << other;
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
    EXPECT_FALSE(pairing_link_parse("relay.example/pair#v=2&pk=x&s=y"));
}

TEST(e2ee_pairing, a_name_is_readable_with_the_link_only)
{
    const auto sealed = pairing_name_seal(secret, "Zoë's laptop");
    EXPECT_EQ(pairing_name_open(secret, sealed).value(), "Zoë's laptop");
    EXPECT_FALSE(pairing_name_open(key_of(0x61), sealed));
    EXPECT_FALSE(pairing_name_open(secret, "?"));
}
