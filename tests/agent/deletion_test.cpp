// What destroys a session at once: a deletion that a browser of the account signed, and nothing like it.
#include "agent/fake_directory.hpp"
#include "agent/run.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "e2ee/run_of.hpp"
#include "storage/disposal.hpp"
#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const std::string account = "01890a5d-ac96-774b-bcce-b302099a8000";
const std::string session = "01890a5d-ac96-774b-bcce-b302099a8057";
const std::string another = "01890a5d-ac96-774b-bcce-b302099a8058";

ed25519_key a_key(std::uint8_t first)
{
    return ed25519_key::from_seed(key_of(first));
}

json::object signed_by(const ed25519_key& device, const std::string& of = session, const std::string& in = account)
{
    const auto given = sign_deletion(device, parse_uuid<account_id>(in).value(), parse_uuid<session_id>(of).value());
    return {{"device", base64_encode(given.device)}, {"signature", base64_encode(given.signature)}};
}

struct deletion : ::testing::Test
{
    deletion()
    {
        devices.add(browser.public_key());
        devices.add(agent_key.public_key(), device_kind::agent);
        devices.add(former.public_key());
        devices.revoke(former.public_key());
        devices.add(unnamed.public_key(), device_kind::unnamed);
    }
    bool destroys(json::object said)
    {
        return decide(
                   run(io, weigh_deletion(
                               unchecked(std::move(said)), hearsay::unsigned_deletion, account, session, devices))) ==
               disposal::destroy;
    }

    boost::asio::io_context io;
    ed25519_key browser = a_key(1);
    ed25519_key agent_key = a_key(2);
    ed25519_key former = a_key(3);
    ed25519_key unnamed = a_key(4);
    fake_directory devices;
};

} // namespace

TEST_F(deletion, signed_by_a_good_browser_destroys)
{
    EXPECT_TRUE(destroys(signed_by(browser)));
    EXPECT_EQ(devices.reads, 0) << "who is known need not be asked for";
}

TEST_F(deletion, by_anybody_else_or_of_anything_else_does_not)
{
    EXPECT_FALSE(destroys({})) << "unsigned";
    EXPECT_FALSE(destroys(signed_by(agent_key)));
    EXPECT_FALSE(destroys(signed_by(former)));
    EXPECT_FALSE(destroys(signed_by(unnamed)));
    EXPECT_FALSE(destroys(signed_by(browser, another)));
    EXPECT_FALSE(destroys(signed_by(browser, session, another))) << "another account's";
    EXPECT_FALSE(destroys(signed_by(a_key(9)))) << "of whom nobody ever heard";
    auto mixed = signed_by(agent_key);
    mixed["device"] = base64_encode(browser.public_key());
    EXPECT_FALSE(destroys(mixed)) << "the signature of one under the name of another";
    for (const auto* name : {"device", "signature"})
    {
        auto said = signed_by(browser);
        said.erase(name);
        EXPECT_FALSE(destroys(said)) << name;
        for (const auto& value :
             {json::value(nullptr), json::value(7), json::value(""), json::value("AAAA"), json::value("%")})
        {
            said[name] = value;
            EXPECT_FALSE(destroys(said)) << name;
        }
    }
}

TEST_F(deletion, by_a_device_not_yet_known_waits_for_the_chain)
{
    const auto fresh = a_key(5);
    devices.at_the_relay[fresh.public_key()] = {device_kind::browser, false, "new"};
    devices.unreadable = error{errc::unavailable, "not reached", std::nullopt};
    EXPECT_FALSE(destroys(signed_by(fresh)));
    devices.unreadable.reset();
    EXPECT_TRUE(destroys(signed_by(fresh)));
    EXPECT_EQ(devices.reads, 2);
}

TEST_F(deletion, comes_with_a_refusal_too)
{
    relay_failure gone{{errc::not_found, "no such session", std::nullopt}, /*by_relay=*/true};
    const auto weighed = [&] { return run(io, weigh_refusal(gone, account, session, devices)); };
    EXPECT_EQ(decide(*weighed()), disposal::to_trash);
    gone.said = unchecked({{"deletion", signed_by(browser)}});
    EXPECT_EQ(decide(*weighed()), disposal::destroy);
    gone.said = unchecked({{"deletion", signed_by(browser, another)}});
    EXPECT_EQ(decide(*weighed()), disposal::to_trash);
    gone.said = unchecked({{"deletion", signed_by(browser)}});
    gone.code = errc::revoked;
    EXPECT_EQ(decide(*weighed()), disposal::to_trash) << "of a refusal that it does not belong to";
    gone.code = errc::not_found;
    gone.by_relay = false;
    EXPECT_FALSE(weighed()) << "what no relay said is no evidence";
}

// Goal: no byte of a signed deletion can be another.
RC_GTEST_FIXTURE_PROP(deletion, with_any_bit_turned_does_not_destroy, ())
{
    auto said = signed_by(browser);
    const std::string name = *rc::gen::element(std::string("device"), std::string("signature"));
    auto raw = base64_decode(std::string(said.at(name).as_string())).value();
    const auto bit = *rc::gen::inRange<std::size_t>(0, raw.size() * 8);
    raw[bit / 8] = static_cast<std::uint8_t>(raw[bit / 8] ^ (1u << (bit % 8)));
    said[name] = base64_encode(raw);
    RC_ASSERT(!destroys(said));
}
