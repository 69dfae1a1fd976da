// Signed boxes and acts as code of another author makes them: tests/vectors/{signed_box,acts}.json.
#include "consortium/common/base64.hpp"
#include "consortium/common/device_chain.hpp"
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/signed_box.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;
namespace json = boost::json;

namespace
{

json::object vectors(const std::string& name)
{
    std::ifstream file(CONSORTIUM_VECTORS "/" + name);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    return json::parse(content).as_object();
}

std::string string_of(const json::value& value)
{
    return std::string(value.as_string());
}
bytes bytes_of(const json::value& value)
{
    return base64_decode(string_of(value)).value();
}

/// What every reader of these vectors knows.
struct reader
{
    explicit reader(const json::object& all)
        : account(parse_uuid<account_id>(string_of(all.at("account").at("id"))).value()),
          devices(account, to_array<32>(bytes_of(all.at("account").at("publicKey")))),
          content(x25519_key::from_secret(key256::from(bytes_of(all.at("account").at("contentSecretKey")))))
    {
        std::vector<bytes> chain;
        for (const auto& each : all.at("chain").as_array())
            chain.push_back(bytes_of(each));
        EXPECT_TRUE(devices.learn(chain).value());
    }

    account_id account;
    device_set devices;
    x25519_key content;
};

act_place place_of(const account_id& account, const json::object& each)
{
    return {
        account, string_of(each.at("scope")), string_of(each.at("kind")), to_array<16>(bytes_of(each.at("bundleId")))};
}

/// Empty where it opens, and otherwise by which of the vectors' rules it does not.
std::string rule_broken(const reader& who, const json::object& each)
{
    const auto label = string_of(each.at("label"));
    const auto scope = string_of(each.at("scope"));
    const auto opened = open_signed_box(who.content, who.account, {label, scope}, string_of(each.at("box")));
    if (!opened)
        return "does not open";
    if (label == data_key_label && !open_data_key(who.content, who.account, scope, string_of(each.at("box"))))
        return "payload";
    if (who.devices.standing_of(opened->device) == device_standing::unknown)
        return "unknown";
    return who.devices.kind_of(opened->device) == device_kind::agent ? "" : "kind";
}

} // namespace

TEST(signed_vectors, good_boxes_open)
{
    const auto all = vectors("signed_box.json");
    const reader who(all);
    for (const auto& value : all.at("good").as_array())
    {
        const auto& each = value.as_object();
        EXPECT_EQ(rule_broken(who, each), "") << each.at("name");
        const auto opened = open_signed_box(
            who.content, who.account, {string_of(each.at("label")), string_of(each.at("scope"))},
            string_of(each.at("box")));
        ASSERT_TRUE(opened);
        EXPECT_EQ(to_bytes(opened->device), bytes_of(each.at("device")));
        EXPECT_EQ(opened->payload, bytes_of(each.at("payload")));
    }
}

TEST(signed_vectors, bad_boxes_do_not)
{
    const auto all = vectors("signed_box.json");
    const reader who(all);
    ASSERT_FALSE(all.at("bad").as_array().empty());
    for (const auto& value : all.at("bad").as_array())
    {
        const auto& each = value.as_object();
        const auto rule = string_of(each.at("rule"));
        const bool judged = rule == "payload" || rule == "unknown" || rule == "kind";
        EXPECT_EQ(rule_broken(who, each), judged ? rule : "does not open") << each.at("name");
    }
}

TEST(signed_vectors, good_acts_verify_and_are_made_the_same)
{
    const auto all = vectors("acts.json");
    const reader who(all);
    const auto& browser = all.at("devices").at("acting browser");
    const auto key = ed25519_key::from_seed(key256::from(bytes_of(browser.at("seed"))));
    for (const auto& value : all.at("good").as_array())
    {
        const auto& each = value.as_object();
        const auto place = place_of(who.account, each);
        const auto said = act_parse(view(string_of(each.at("plaintext"))));
        ASSERT_TRUE(said) << each.at("name");
        EXPECT_EQ(said->text, string_of(each.at("text")));
        EXPECT_TRUE(verify_act(place, *said)) << each.at("name");
        EXPECT_EQ(to_bytes(sign_act(key, place, said->text).signature), bytes_of(each.at("signature")));
    }
}

TEST(signed_vectors, bad_acts_do_not)
{
    const auto all = vectors("acts.json");
    const reader who(all);
    ASSERT_FALSE(all.at("bad").as_array().empty());
    for (const auto& value : all.at("bad").as_array())
    {
        const auto& each = value.as_object();
        const auto rule = string_of(each.at("rule"));
        const auto said = act_parse(view(string_of(each.at("plaintext"))));
        ASSERT_EQ(said.has_value(), rule != "form") << each.at("name");
        if (!said)
            continue;
        ASSERT_EQ(verify_act(place_of(who.account, each), *said), rule != "signature") << each.at("name");
        const auto standing = who.devices.standing_of(said->device);
        if (rule == "unknown" || rule == "revoked")
            EXPECT_EQ(standing, rule == "unknown" ? device_standing::unknown : device_standing::revoked);
        if (rule == "agent")
            EXPECT_EQ(who.devices.kind_of(said->device), device_kind::agent);
    }
}

TEST(signed_vectors, asks_are_named_by_their_hash)
{
    for (const auto& each : vectors("acts.json").at("asks").as_array())
        EXPECT_EQ(ask_hash(string_of(each.at("ask"))), string_of(each.at("hash")));
}
