// How this machine gets its token, and what it never signs.
#include "agent/account_test.hpp"
#include "identity/device_book.hpp"
#include "identity/sign_in.hpp"
#include "storage/membership.hpp"
#include "storage/session_folder.hpp"
#include "storage/trash.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

class sign_in_test : public account_test
{
protected:
    sign_in_test()
    {
        what.server_url = relay.url();
        what.account_secret = owner.secret;
        what.device_seed = key256::random();
        relay.next_account = owner.id;
    }
    ed25519_public device() const { return ed25519_key::from_seed(what.device_seed).public_key(); }
    result<identity> sign_in(bool create)
    {
        return run(io, sign_in_with_secret(*client, store, what, create, "laptop", clock));
    }
    using lying = std::function<std::optional<account_relay::answer>(const std::string&, const json::object&)>;
    void lie(lying how)
    {
        relay.with([&] { relay.lie = std::move(how); });
    }
    std::size_t stated()
    {
        return relay.with([&] { return relay.chain ? relay.chain->size() : 0; });
    }

    unfinished_sign_in what;
};

} // namespace

// Goal: secret, key and statement are on disk before the statement is sent.
TEST_F(sign_in_test, an_account_made_here_begins_with_this_machine)
{
    what.made_here = true;
    ASSERT_TRUE(save_unfinished_sign_in(store, what));
    std::vector<bytes> kept_when_sent;
    lie(
        [&](const std::string& path, const json::object& body) -> std::optional<account_relay::answer>
        {
            if (path == "/v1/auth" && body.contains("statement"))
                kept_when_sent = load_unfinished_sign_in(store).value()->statements;
            return std::nullopt;
        });
    const auto who = sign_in(/*create=*/true);
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ(who->account_id, to_string(owner.id));
    EXPECT_EQ(who->account_key, owner.keys.login.public_key());
    EXPECT_EQ(who->account_secret, owner.secret);
    ASSERT_EQ(stated(), 1u);
    EXPECT_EQ(kept_when_sent, relay.chain->statements());
    EXPECT_EQ(relay.chain->find(device()), (stated_device{device_kind::agent, false}));
    EXPECT_EQ(store.load_identity().value()->token, who->token);
    EXPECT_EQ(store.load_device_seed().value(), what.device_seed);
    EXPECT_FALSE(load_unfinished_sign_in(store).value());
    const auto book = device_book::open(store, *client, owner.id, who->account_key, device(), clock).value();
    EXPECT_EQ(book->own(), device_standing::good);
}

TEST_F(sign_in_test, a_secret_without_an_account_makes_and_signs_nothing)
{
    EXPECT_EQ(sign_in(/*create=*/false).error(), errc::not_found);
    EXPECT_EQ(stated(), 0u);
    EXPECT_TRUE(what.statements.empty());
    EXPECT_FALSE(store.load_identity().value());
}

TEST_F(sign_in_test, a_typed_secret_is_not_kept)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    relay.chain = chain;
    const auto who = sign_in(/*create=*/false);
    ASSERT_TRUE(who);
    EXPECT_FALSE(who->account_secret);
    EXPECT_EQ(stated(), 2u);
    EXPECT_FALSE(load_unfinished_sign_in(store).value());
}

TEST_F(sign_in_test, when_another_is_stated_at_once_it_signs_again)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    relay.chain = chain;
    int left = 2;
    lie(
        [&](const std::string& path, const json::object& body) -> std::optional<account_relay::answer>
        {
            if (path == "/v1/auth" && body.contains("statement") && left-- > 0)
                owner.add(*relay.chain, some_device());
            return std::nullopt;
        });
    ASSERT_TRUE(sign_in(/*create=*/false));
    EXPECT_EQ(stated(), 4u);
    EXPECT_EQ(relay.chain->find(device()), (stated_device{device_kind::agent, false}));
}

TEST_F(sign_in_test, endless_conflicts_are_an_error)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    relay.chain = chain;
    lie(
        [&](const std::string& path, const json::object& body) -> std::optional<account_relay::answer>
        {
            if (path == "/v1/auth" && body.contains("statement"))
                owner.add(*relay.chain, some_device());
            return std::nullopt;
        });
    EXPECT_EQ(sign_in(/*create=*/false).error(), errc::conflict);
    EXPECT_EQ(relay.with([&] { return relay.asked["/v1/auth"]; }), 4);
    // What was signed is not forgotten.
    EXPECT_TRUE(load_unfinished_sign_in(store).value());
}

// Goal: an answer that is lost costs nothing: the same again is success, and there is one addition.
TEST_F(sign_in_test, a_lost_answer_and_the_same_again_add_once)
{
    what.made_here = true;
    bool lose = true;
    lie(
        [&](const std::string& path, const json::object& body) -> std::optional<account_relay::answer>
        {
            if (path != "/v1/auth" || !body.contains("statement") || !std::exchange(lose, false))
                return std::nullopt;
            relay.serve(path, body);
            return account_relay::answer{502, {{"page", "bad gateway"}}};
        });
    EXPECT_EQ(sign_in(/*create=*/true).error(), errc::unavailable);
    what = *load_unfinished_sign_in(store).value();
    const auto who = sign_in(/*create=*/true);
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ(stated(), 1u);
    EXPECT_EQ(who->account_secret, owner.secret);
}

TEST_F(sign_in_test, nothing_is_signed_behind_a_chain_that_is_not_the_accounts)
{
    const account_owner mallory;
    auto chain = mallory.chain();
    mallory.add(chain, some_device());
    lie(
        [&](const std::string& path, const json::object& body) -> std::optional<account_relay::answer>
        {
            if (path != "/v1/auth" || body.contains("statement"))
                return std::nullopt;
            return account_relay::refusal(
                "conflict", 409,
                {{"accountId", to_string(owner.id)},
                 {"statements", write_statements(chain.statements())},
                 {"challenge", "x"}});
        });
    EXPECT_EQ(sign_in(/*create=*/true).error(), errc::corrupt);
    EXPECT_TRUE(what.statements.empty());
}

TEST_F(sign_in_test, a_challenge_for_another_address_is_not_signed)
{
    const auto key = base64_encode(owner.keys.login.public_key());
    lie(
        [&](const std::string& path, const json::object&) -> std::optional<account_relay::answer>
        {
            if (path != "/v1/auth/challenge")
                return std::nullopt;
            return account_relay::answer{
                200,
                {{"challenge", base64_encode(view(
                                   "consortium-login-1\nhttps://elsewhere.example\n" + key + "\n1\n" +
                                   base64_encode(random_array<32>())))}}};
        });
    EXPECT_EQ(sign_in(/*create=*/true).error(), errc::wrong_origin);
    EXPECT_EQ(relay.with([&] { return relay.asked["/v1/auth"]; }), 0);
}

TEST_F(sign_in_test, a_device_of_the_chain_signs_in_alone)
{
    const auto own = ed25519_key::random();
    auto chain = owner.chain();
    owner.add(chain, own.public_key(), device_kind::agent);
    relay.chain = chain;
    const auto token = run(io, sign_in_alone(*client, owner.id, own));
    ASSERT_TRUE(token);
    EXPECT_EQ(*token, account_relay::token_for(owner.id));
    EXPECT_EQ(run(io, sign_in_alone(*client, owner.id, ed25519_key::random())).error(), errc::not_found);
    lie(
        [&](const std::string& path, const json::object&) -> std::optional<account_relay::answer>
        {
            if (path != "/v1/auth")
                return std::nullopt;
            return account_relay::answer{
                200,
                {{"token", account_relay::token_for(account_id{make_uuid_v4()})}, {"accountId", to_string(owner.id)}}};
        });
    EXPECT_EQ(run(io, sign_in_alone(*client, owner.id, own)).error(), errc::corrupt);
}

// Goal: a relay that was restored from a backup older than this machine knows it again, without a person.
TEST_F(sign_in_test, a_relay_that_forgot_this_machine_is_told_and_gives_a_token)
{
    auto chain = owner.chain();
    owner.add(chain, some_device());
    relay.chain = chain;
    auto who = sign_in(/*create=*/false).value();
    const auto book = open_book(store, *client, who, clock).value();
    relay.chain = chain;
    who.token = "void";
    const auto token = run(io, renew_token(store, *client, who, *book));
    ASSERT_TRUE(token) << token.error().detail;
    EXPECT_EQ(relay.chain->size(), 2u);
    EXPECT_EQ(store.load_identity().value()->token, *token);
    EXPECT_EQ(client->token(), *token);

    // It went on without this machine: a matter for a dashboard.
    relay.chain = chain;
    owner.add(*relay.chain, some_device());
    EXPECT_EQ(run(io, renew_token(store, *client, who, *book)).error(), errc::conflict);
}

// Goal: who logs out leaves nothing of the account's sessions behind, in the trash neither.
TEST_F(sign_in_test, sessions_go_to_the_trash_with_a_revocation_and_for_good_with_a_logout)
{
    identity who;
    who.server_url = relay.url();
    who.account_id = to_string(owner.id);
    const auto session = [&](const std::string& tag, const std::string& account)
    {
        session_record record;
        record.tag = tag;
        record.session_id = to_string(session_id{make_uuid_v4()});
        record.server_url = relay.url();
        record.account_id = account;
        record.data_key = key256::random();
        return session_folder::create(store, record).value();
    };
    (void)session("one", who.account_id);
    (void)session("another", to_string(account_id{make_uuid_v4()}));
    EXPECT_EQ(move_sessions_to_trash(store, who, clock.now()), 1u);
    EXPECT_EQ(session_folder::list(store), std::vector<std::string>{"another"});
    ASSERT_EQ(list_trash(store).size(), 1u);
    {
        const auto running = session("running", who.account_id);
        EXPECT_EQ(destroy_sessions(store, who, clock.now()).error(), errc::locked);
        EXPECT_EQ(list_trash(store).size(), 1u);
    }
    ASSERT_TRUE(destroy_sessions(store, who, clock.now()));
    EXPECT_TRUE(list_trash(store).empty());
    EXPECT_EQ(session_folder::list(store), std::vector<std::string>{"another"});
}

namespace
{

/// A machine that is signed in, whose token the relay refuses with `code` until it has signed in anew.
class denied_test : public sign_in_test
{
protected:
    void SetUp() override
    {
        chain = owner.chain();
        owner.add(chain, some_device());
        relay.chain = chain;
        who = sign_in(/*create=*/false).value();
        chain = *relay.chain;
        client->set_token("void");
        book = open_book(store, *client, who, clock).value();
        client->judge_denial = [this](const relay_failure& denied)
        { return judge_denial(store, *client, who, *book, denied); };
    }
    relay_answer<unchecked> ask(const char* code)
    {
        bool refuse = true;
        lie(
            [&, code](const std::string& path, const json::object&) -> std::optional<account_relay::answer>
            {
                if (path == "/v1/auth")
                    refuse = false;
                if (path != "/v1/sessions")
                    return std::nullopt;
                return refuse ? account_relay::refusal(code, 401)
                              : account_relay::answer{200, {{"sessions", json::array()}}};
            });
        return run(io, client->get("/v1/sessions", "sessions"));
    }

    device_chain chain = owner.chain();
    identity who;
    std::unique_ptr<device_book> book;
};

} // namespace

TEST_F(denied_test, a_token_that_is_void_is_renewed_and_the_request_goes_on)
{
    EXPECT_TRUE(ask("unauthorized"));
    EXPECT_EQ(client->token(), account_relay::token_for(owner.id));
}

TEST_F(denied_test, revoked_without_a_statement_is_tried_again)
{
    const auto answer = ask("revoked");
    ASSERT_FALSE(answer);
    EXPECT_TRUE(worth_retrying(answer.error()));
    EXPECT_FALSE(answer.error().by_relay);
}

TEST_F(denied_test, revoked_by_a_statement_is_for_good)
{
    owner.revoke(*relay.chain, device(), device_kind::agent);
    const auto answer = ask("revoked");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), errc::revoked);
    EXPECT_TRUE(answer.error().by_relay);
    EXPECT_EQ(book->own(), device_standing::revoked);
}

TEST_F(denied_test, an_account_that_is_gone_there_is_the_relays_word)
{
    relay.chain.reset();
    EXPECT_EQ(ask("unauthorized").error(), errc::unauthorized);
}

TEST_F(denied_test, a_list_that_went_on_without_this_machine_is_a_persons_matter)
{
    auto fork = owner.chain();
    owner.add(fork, some_device());
    relay.chain = fork;
    EXPECT_EQ(ask("unauthorized").error(), errc::conflict);
}
