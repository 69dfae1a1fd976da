// What a session makes of its relay, and of whoever answers in its place.
#include "agent/failing_disk.hpp"
#include "agent/session_fixture.hpp"
#include "commands/commands.hpp"
#include "consortium/common/signed_deletion.hpp"
#include "storage/trash.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

std::string turn(const std::string& result)
{
    return R"(send {"type":"system","subtype":"session_state_changed","state":"running"})"
           "\n"
           R"(send {"type":"result","subtype":"success","is_error":false,"result":")" +
           result +
           "\"}\n"
           R"(send {"type":"system","subtype":"session_state_changed","state":"idle"})"
           "\n";
}

} // namespace

// Goal: a state that the relay never takes is not offered for ever in silence: the person learns of it at the terminal,
// in the session and, later, where he asks how it stands.
TEST_F(session, what_the_relay_never_takes_of_it_is_said_in_the_session_and_by_auth_status)
{
    start(std::string(initialized) + asks_for_make + "end\nexit 0\n");
    state_refusal = "a mebibyte";
    auto& socket = online();
    EXPECT_TRUE(says("The relay does not take the state of this session: a mebibyte"));
    const auto status = [&]
    {
        ::testing::internal::CaptureStdout();
        screen terminal;
        surroundings with{io, store, clock, terminal};
        run(io, auth_status(with));
        return ::testing::internal::GetCapturedStdout();
    };
    ASSERT_TRUE(store.save_identity(who));
    const auto words = status();
    EXPECT_NE(words.find("Refused"), std::string::npos) << words;
    EXPECT_NE(words.find("does not take the state of this session: a mebibyte"), std::string::npos) << words;
    EXPECT_EQ(told("message").size(), 1u) << "once";

    // Claude's question is void: the state has changed, is offered again, and now is taken.
    state_refusal.reset();
    const auto tries = states_sent;
    EXPECT_EQ(call(socket, "permission", verdict("t1", "denied")), json::object());
    EXPECT_TRUE(run_until(io, [&] { return states_sent > tries; }));
    EXPECT_TRUE(run_until(io, [&] { return status().find("Refused") == std::string::npos; }));
}

TEST_F(session, what_is_said_while_the_relay_is_away_arrives_afterwards_in_order)
{
    relay.refuse_with = 503;
    start(
        std::string(initialized) +
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"first words"})"
        "\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"second words"})"
        "\nend\nexit 0\n");
    // It cannot have said anything yet; give it the chance to try.
    EXPECT_FALSE(run_until(io, [&] { return !relay.messages().empty(); }, std::chrono::seconds(1)));
    relay.refuse_with = 0;
    online();
    ASSERT_TRUE(says("second words"));
    EXPECT_EQ(text_at(said()[0].at("content").at("data").as_object(), "result"), "first words");
}

// Goal: nothing that somebody on the way says costs a session, a key or a word. Method: each of his answers stands in
// for the relay's, over HTTP and for the dial, while Claude speaks; then the relay is there again.
TEST_F(session, a_proxys_pages_cost_nothing)
{
    const std::vector<net::http_response> pages{
        net::http_response::text(404, "404 page not found\n"),
        net::http_response::with(404, "text/html", std::string("<html><body>Not Found</body></html>")),
        net::http_response::with(200, "text/html", std::string("<html>Sign in to the network</html>")),
        net::http_response::with(302, "text/html", std::string("<a href=\"https://hotel.example\">Found</a>")),
        net::http_response::with(413, "text/html", std::string("<h1>413 Request Entity Too Large</h1>")),
        net::http_response::text(403, ""),
        net::http_response::text(401, ""),
        net::http_response::json(404, R"({"error":"no route","code":"ENOENT","retry":false})"),
        net::http_response::json(404, R"({"message":"Not Found"})"),
        net::http_response::json(200, R"({"ok":true,"messages":[]})"),
        net::http_response::json(401, R"({"error":"unauthorized"})")};
    start(
        std::string(initialized) +
        "expect hello there\n"
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"spoken into the page"})"
        "\nend\nexit 0\n");
    auto& first = online();
    ASSERT_TRUE(run_until(io, [&] { return !state.empty(); }));
    for (int i = 0; i < 3; ++i)
        exchange.failures.push_back(
            relay_failure::not_reached({errc::unavailable, "no WebSocket was opened: HTTP 403", std::nullopt}));
    relay.stand_in_with(pages[0]);
    prompt(first, "hello there");
    first.break_down({errc::closed, "cut", std::nullopt});
    for (const auto& each : pages)
    {
        relay.stand_in_with(each);
        EXPECT_FALSE(run_until(io, [&] { return status.has_value(); }, std::chrono::milliseconds(150))) << each.status;
        EXPECT_EQ(session_folder::list(store).size(), 1u);
    }
    EXPECT_TRUE(list_trash(store).empty());
    relay.stand_in_with(std::nullopt);
    ASSERT_TRUE(run_until(io, [&] { return exchange.sockets.size() == 2; }));
    online();
    EXPECT_TRUE(says("spoken into the page"));
}

TEST_F(session, a_deletion_that_is_not_proved_ends_it_and_keeps_its_key_in_the_trash)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    socket.say("update", json::object{{"seq", 2}, {"body", json::object{{"t", "delete-session"}, {"sid", sid}}}});
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(session_folder::list(store).empty());
    const auto trash = list_trash(store);
    ASSERT_EQ(trash.size(), 1u);
    EXPECT_EQ(trash[0].session_id, sid);
    EXPECT_EQ(trash[0].why, hearsay::unsigned_deletion);
}

TEST_F(session, a_deletion_that_a_browser_signed_destroys_it_at_once)
{
    start(std::string(initialized) + "end\nexit 0\n");
    auto& socket = online();
    const auto given = sign_deletion(page.device, page.account, parse_uuid<session_id>(sid).value());
    socket.say(
        "update", json::object{
                      {"seq", 2},
                      {"body", json::object{
                                   {"t", "delete-session"},
                                   {"sid", sid},
                                   {"device", base64_encode(given.device)},
                                   {"signature", base64_encode(given.signature)}}}});
    ASSERT_TRUE(ends());
    EXPECT_TRUE(session_folder::list(store).empty());
    EXPECT_TRUE(list_trash(store).empty());
}

TEST_F(session, what_the_relay_itself_refuses_ends_it_and_destroys_nothing)
{
    exchange.failures = {relay_failure{{errc::unauthorized, "no such token", std::nullopt}, /*by_relay=*/true}};
    start(std::string(initialized) + "end\nexit 0\n");
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
    ASSERT_EQ(list_trash(store).size(), 1u);
    EXPECT_EQ(list_trash(store)[0].why, hearsay::no_access);
}

// Goal: nothing leaves a machine that was revoked, and what Claude does there is nobody's business but the person's.
TEST_F(session, a_machine_that_was_revoked_lets_claude_run)
{
    exchange.failures = {relay_failure{{errc::revoked, "this device was revoked", std::nullopt}, /*by_relay=*/true}};
    start(std::string(initialized) + "end\nexit 0\n");
    ASSERT_TRUE(run_until(io, [&] { return list_trash(store).size() == 1; }));
    EXPECT_EQ(list_trash(store)[0].why, hearsay::device_revoked);
    EXPECT_FALSE(run_until(io, [&] { return status.has_value(); }, std::chrono::seconds(1)));
    runner->interrupt();
    runner->interrupt();
    ASSERT_TRUE(ends());
    EXPECT_EQ(status, 1);
}

// Goal: a relay that shows another session under our random name is neither believed nor a reason to end.
TEST_F(session, another_session_under_its_name_is_asked_about_again)
{
    relay.confuses = true;
    start(
        std::string(initialized) +
        R"(send {"type":"result","subtype":"success","is_error":false,"result":"spoken meanwhile"})"
        "\nend\nexit 0\n");
    EXPECT_TRUE(run_until(io, [&] { return relay.sessions_asked >= 2 || status.has_value(); }));
    EXPECT_FALSE(status.has_value());
    relay.confuses = false;
    online();
    EXPECT_TRUE(says("spoken meanwhile"));
}

TEST_F(session, finds_its_session_again_that_was_made_before_a_crash)
{
    for (const bool again : {false, true})
    {
        start(std::string(initialized) + "end\nexit 0\n", again);
        online();
        runner->end("");
        ASSERT_TRUE(ends());
        runner.reset();
        status.reset();
        exchange.sockets.clear();
        folder.emplace(session_folder::open(store, "tag").value());
        // As if it had crashed before the id was written down.
        EXPECT_EQ(folder->record().session_id, sid);
        folder->record().session_id.clear();
    }
}

// Goal: what the disk refused is nowhere, not even as a hole in what the session said.
TEST_F(session, what_could_not_be_kept_leaves_no_hole)
{
    start(
        std::string(initialized) + "expect first\n" + turn("one") + "expect second\n" + turn("two") + "end\nexit 0\n");
    auto& socket = online();
    prompt(socket, "first");
    ASSERT_TRUE(says("one"));
    {
        int syncs = 0;
        const failing_disk disk([&](std::string_view call) { return call == "fdatasync" && ++syncs > 0 ? ENOSPC : 0; });
        prompt(socket, "second");
        ASSERT_TRUE(run_until(io, [&] { return syncs >= 2; }));
    }
    runner->interrupt(); // says something again
    runner->on_device_alarm({device_finding::lacking, "", 1, 1, 1});
    EXPECT_TRUE(says("could not be written down"));
}
