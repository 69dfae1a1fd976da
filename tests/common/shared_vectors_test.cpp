// What relay, agent and dashboard must refuse and take alike.
#include "consortium/common/base64.hpp"
#include "consortium/common/device_chain.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace consortium;
namespace json = boost::json;

namespace
{

json::object vectors(const std::string& name)
{
    std::ifstream file(std::string(CONSORTIUM_VECTORS "/") + name);
    std::stringstream content;
    content << file.rdbuf();
    return json::parse(content.str()).as_object();
}

std::string text_of(const json::value& value)
{
    return std::string(value.as_string());
}
bytes bytes_of(const json::value& value)
{
    return base64_decode(value.as_string()).value();
}
std::vector<bytes> list_of(const json::value& value)
{
    std::vector<bytes> out;
    for (const auto& each : value.as_array())
        out.push_back(bytes_of(each));
    return out;
}

class device_chain_vectors : public testing::Test
{
protected:
    const json::object given_ = vectors("device_chain.json");
    const account_id id_ = parse_uuid<account_id>(text_of(given_.at("account").at("id"))).value();
    const ed25519_public key_ = to_array<32>(bytes_of(given_.at("account").at("publicKey")));

    device_chain empty() const { return {id_, key_}; }
    device_chain chain_of(const std::vector<bytes>& statements) const
    {
        auto out = empty();
        EXPECT_TRUE(out.append(statements));
        return out;
    }
    device_chain chain(const json::value& statements) const { return chain_of(list_of(statements)); }
    std::vector<bytes> main_chain() const
    {
        std::vector<bytes> out;
        for (const auto& each : given_.at("statements").as_array())
            out.push_back(bytes_of(each.at("bytes")));
        return out;
    }
    /// As many of the main chain's as the case stands behind.
    std::vector<bytes> first(const json::value& each) const
    {
        auto out = main_chain();
        out.resize(each.at("after").to_number<std::size_t>());
        return out;
    }
    std::string digest(const device_chain& of) const
    {
        device_set set(id_, key_);
        EXPECT_TRUE(set.learn(of));
        return set.digest();
    }
};

} // namespace

TEST(shared_vectors, every_signature_has_the_one_verdict)
{
    std::size_t good = 0;
    const auto given = vectors("ed25519.json");
    const auto& cases = given.at("cases").as_array();
    for (const auto& each : cases)
    {
        const bool taken = text_of(each.at("verdict")) == "good";
        good += taken;
        EXPECT_EQ(
            ed25519_verify(
                bytes_of(each.at("publicKey")), bytes_of(each.at("message")), bytes_of(each.at("signature"))),
            taken)
            << each.at("name");
    }
    EXPECT_GE(good, 3u);
    EXPECT_GE(cases.size(), 40u);
}

TEST_F(device_chain_vectors, good_chains_are_taken_whole)
{
    for (const auto& each : given_.at("valid").as_array())
    {
        const auto read = chain(each.at("statements"));
        EXPECT_EQ(hex_encode(read.head().hash), text_of(each.at("head"))) << each.at("name");
        EXPECT_EQ(digest(read), text_of(each.at("devices"))) << each.at("name");
        for (const auto& key : list_of(each.at("good")))
            EXPECT_FALSE(read.find(to_array<32>(key))->revoked);
        for (const auto& key : list_of(each.at("revoked")))
            EXPECT_TRUE(read.find(to_array<32>(key))->revoked);
    }
    for (const auto& each : given_.at("edges").as_array())
    {
        auto read = chain_of(first(each));
        EXPECT_TRUE(read.append(byte_view(bytes_of(each.at("statement"))))) << each.at("name");
        EXPECT_EQ(digest(read), text_of(each.at("devices"))) << each.at("name");
    }
}

TEST_F(device_chain_vectors, the_first_bad_statement_ends_a_chain)
{
    for (const auto& each : given_.at("invalid").as_array())
    {
        auto list = first(each);
        list.push_back(bytes_of(each.at("statement")));
        list.push_back(bytes_of(each.at("behind")));
        auto read = empty();
        EXPECT_FALSE(read.append(list)) << each.at("name");
        EXPECT_EQ(read.size(), each.at("ends").to_number<std::size_t>()) << each.at("name");
        EXPECT_EQ(digest(read), text_of(each.at("devices"))) << each.at("name");
        if (each.at("form").as_bool())
            EXPECT_FALSE(parse_statement(bytes_of(each.at("statement")))) << each.at("name");
    }
    for (const auto& each : given_.at("invalidAccountKeys").as_array())
    {
        device_chain read(id_, to_array<32>(bytes_of(each.at("publicKey"))));
        EXPECT_FALSE(read.append(main_chain())) << each.at("name");
        EXPECT_EQ(read.size(), 0u) << each.at("name");
    }
}

TEST_F(device_chain_vectors, a_kept_set_judges_what_a_relay_shows)
{
    for (const auto& each : given_.at("views").as_array())
    {
        device_set set(id_, key_);
        for (const auto& branch : each.at("kept").as_array())
            EXPECT_TRUE(set.learn(chain(branch)));
        const auto relay = chain(each.at("relay"));
        EXPECT_EQ(set.digest(), text_of(each.at("devicesBefore"))) << each.at("name");

        std::vector<std::string> lacking;
        for (const auto& statement : set.lacking(relay))
            lacking.push_back(hex_encode(statement_hash(statement)));
        std::vector<std::string> expected;
        for (const auto& hash : each.at("lacking").as_array())
            expected.push_back(text_of(hash));
        EXPECT_EQ(lacking, expected) << each.at("name");
        const auto rest = set.continuation(relay);
        const auto outcome = lacking.empty() ? "nothing" : rest.empty() ? "alarm" : "rest";
        EXPECT_EQ(outcome, text_of(each.at("outcome"))) << each.at("name");
        if (const auto* post = each.as_object().if_contains("post"))
            EXPECT_EQ(rest, list_of(*post)) << each.at("name");

        EXPECT_TRUE(set.learn(relay));
        EXPECT_EQ(set.digest(), text_of(each.at("devicesAfter"))) << each.at("name");
        for (const auto& device : each.at("after").as_array())
        {
            const auto key = to_array<32>(bytes_of(device.at("device")));
            EXPECT_EQ(set.kind_of(key) == device_kind::agent, text_of(device.at("kind")) == "agent");
            EXPECT_EQ(set.standing_of(key) == device_standing::revoked, device.at("revoked").as_bool());
        }
    }
}

// Goal: so many devices and no more, over a chain as long as it can be.
TEST_F(device_chain_vectors, a_full_chain_takes_revocations_alone)
{
    const auto& many = given_.at("many");
    const auto count = many.at("additions").to_number<std::uint64_t>();
    const auto account = ed25519_key::from_seed(key256::from(bytes_of(given_.at("account").at("seed"))));
    auto read = empty();
    const auto say = [&](statement_action action, std::uint64_t device)
    {
        device_statement said;
        said.account = id_;
        said.n = read.head().n + 1;
        said.previous = read.head().hash;
        said.action = action;
        said.device = ed25519_key::from_seed(key256(sha256({view("vector many"), big_endian(device)}))).public_key();
        said.time = 1'750'000'000'000 + static_cast<unix_millis>(said.n);
        if (action == statement_action::add)
            said.sealed_name = bytes(73, 9);
        ASSERT_TRUE(read.append(byte_view(sign_statement(account, said))));
    };
    for (std::uint64_t device = 1; device <= count; ++device)
        say(statement_action::add, device);
    EXPECT_EQ(hex_encode(read.head().hash), text_of(many.at("headAfterAdditions")));
    EXPECT_FALSE(read.append(byte_view(bytes_of(many.at("next").at("statement")))));
    for (std::uint64_t device = 1; device <= count; ++device)
        say(statement_action::revoke, device);
    EXPECT_EQ(hex_encode(read.head().hash), text_of(many.at("headAfterRevocations")));
    EXPECT_FALSE(read.append(byte_view(bytes_of(many.at("last").at("statement")))));
    EXPECT_EQ(read.size(), 2 * count);
    device_set set(id_, key_);
    EXPECT_TRUE(set.learn(read));
}
