// What earlier sessions left: sent, kept and given up only on the relay's own word.
#include "agent/fake_directory.hpp"
#include "agent/fresh_directory.hpp"
#include "agent/played_relay.hpp"
#include "agent/run.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "e2ee/run_of.hpp"
#include "link/spool.hpp"
#include "session/leftovers.hpp"
#include "storage/trash.hpp"
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

const std::string account = "01890a5d-ac96-774b-bcce-b302099a8000";

struct leftovers : ::testing::Test
{
    leftovers()
    {
        who.server_url = relay.url();
        who.account_id = account;
        session_record record;
        record.tag = "t";
        record.session_id = sid;
        record.server_url = who.server_url;
        record.account_id = who.account_id;
        record.data_key = key_of(7);
        const auto folder = session_folder::create(store, record).value();
        auto waiting = spool::open(folder.spool_file(), store.local_key().value(), "t").value();
        EXPECT_TRUE(waiting.append({"one", 1, nullptr, "said before"}));
    }
    std::vector<std::string> taken()
    {
        std::vector<std::string> bundles;
        for (const auto& each : relay.messages())
            bundles.push_back(each.bundle);
        return bundles;
    }
    bool look() { return run(io, look_after_leftovers_once(store, who, *client, devices, out, clock)); }

    fresh_directory place;
    boost::asio::io_context io;
    keystore store = keystore::open(place.path() / "state").value();
    system_clock_source clock;
    screen out;
    played_relay relay;
    fake_directory devices;
    identity who;
    std::unique_ptr<relay_client> client = relay_client::make(io.get_executor(), relay.url(), {}).value();
};

} // namespace

TEST_F(leftovers, are_sent)
{
    EXPECT_TRUE(look());
    EXPECT_EQ(taken(), std::vector<std::string>{"said before"});
    EXPECT_TRUE(look());
    EXPECT_EQ(relay.posts, 1) << "once";
    EXPECT_EQ(session_folder::list(store).size(), 1u);
}

// Goal: whatever page stands in for the relay, key and unsent words stay, and are tried again.
TEST_F(leftovers, a_proxys_page_costs_nothing)
{
    for (const auto& page :
         {net::http_response::text(404, "404 page not found\n"),
          net::http_response::with(404, "text/html", std::string("<html>Not Found</html>")),
          net::http_response::with(200, "text/html", std::string("<html>Sign in</html>")),
          net::http_response::with(302, "text/html", std::string("")),
          net::http_response::with(413, "text/html", std::string("<html>too large</html>")),
          net::http_response::text(403, "Forbidden"), net::http_response::json(404, R"({"message":"no route"})"),
          net::http_response::json(200, R"({"messages":[]})")})
    {
        relay.stand_in_with(page);
        EXPECT_FALSE(look()) << page.status << ": there is something left to do";
        EXPECT_EQ(session_folder::list(store), std::vector<std::string>{"t"}) << page.status;
        EXPECT_TRUE(list_trash(store).empty());
    }
    relay.stand_in_with(std::nullopt);
    EXPECT_TRUE(look());
    EXPECT_EQ(taken(), std::vector<std::string>{"said before"});
}

TEST_F(leftovers, what_the_relay_says_is_gone_comes_back_when_it_shows_it_again)
{
    relay.stand_in_with(net::http_response::json(404, not_found_body));
    EXPECT_TRUE(look());
    EXPECT_TRUE(session_folder::list(store).empty());
    ASSERT_EQ(list_trash(store).size(), 1u);
    EXPECT_TRUE(look());
    EXPECT_EQ(list_trash(store).size(), 1u) << "still gone";

    relay.stand_in_with(net::http_response::with(200, "text/html", std::string("<html>Sign in</html>")));
    EXPECT_FALSE(look());
    EXPECT_EQ(list_trash(store).size(), 1u) << "a page shows nothing";

    relay.stand_in_with(std::nullopt);
    EXPECT_TRUE(look());
    EXPECT_TRUE(list_trash(store).empty());
    EXPECT_EQ(session_folder::list(store), std::vector<std::string>{"t"});
    EXPECT_EQ(taken(), std::vector<std::string>{"said before"}) << "with what it had to say";
}

// Goal: a deletion that a browser signed destroys, whenever it is heard of: before or after the trash.
TEST_F(leftovers, what_a_browser_deleted_is_gone_at_once)
{
    const auto browser = ed25519_key::from_seed(key_of(1));
    const auto given =
        sign_deletion(browser, parse_uuid<account_id>(account).value(), parse_uuid<session_id>(sid).value());
    const json::object said{
        {"error", "Not found"},
        {"code", "not-found"},
        {"retry", false},
        {"deletion",
         json::object{{"device", base64_encode(given.device)}, {"signature", base64_encode(given.signature)}}}};
    relay.stand_in_with(net::http_response::json(404, json::serialize(said)));
    EXPECT_TRUE(look());
    EXPECT_EQ(list_trash(store).size(), 1u) << "by a device of which nobody ever heard";

    devices.add(browser.public_key());
    EXPECT_TRUE(look());
    EXPECT_TRUE(list_trash(store).empty());
    EXPECT_TRUE(std::filesystem::is_empty(store.trash()));
    EXPECT_TRUE(session_folder::list(store).empty());
}
