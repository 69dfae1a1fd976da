#include "consortium/protocol/v1/receipt.hpp"
#include "relay_fixture.hpp"
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <future>
#include <set>

namespace consortium::relay
{
namespace
{

namespace v1 = protocol::v1;

class log_api_test : public relay_fixture
{
protected:
    note::verifier key()
    {
        const auto got = get("/v1/log/key", {});
        EXPECT_EQ(got.status, 200u);
        const auto read = v1::read_log_key(got.body);
        EXPECT_TRUE(read) << got.text;
        EXPECT_EQ(read->log, to_string(events->id()));
        EXPECT_EQ(read->key.name, "consortium-log/" + read->log);
        return read->key;
    }
    v1::log_answer page(const std::string& query, const person& who)
    {
        const auto got = get("/v1/log/" + query, who.token);
        EXPECT_EQ(got.status, 200u) << query << " " << got.text;
        auto read = v1::read_log_answer(got.body);
        EXPECT_TRUE(read) << read.error().detail;
        return read ? *read : v1::log_answer{};
    }
    /// Asserts that the answer is exactly that of something unknown.
    void expect_unknown(const answer& given)
    {
        EXPECT_EQ(given.status, 404u);
        EXPECT_EQ(given.text, R"({"error":"Record not found","code":"not-found","retry":false})");
    }
    /// Receipt and proof of a deletion, held against each other as a client does.
    v1::deletion_receipt check_deletion(const answer& given, std::uint16_t type)
    {
        EXPECT_EQ(given.status, 200u) << given.text;
        EXPECT_TRUE(given.body.at("success").as_bool());
        const auto receipt = v1::open_receipt(std::string(given.body.at("receipt").as_string()), key());
        EXPECT_TRUE(receipt) << receipt.error().detail;
        const auto proof = v1::read_proof(given.body.at("proof").as_object());
        EXPECT_TRUE(proof) << proof.error().detail;
        const auto head = open_checkpoint(proof->checkpoint, key());
        EXPECT_TRUE(head);
        EXPECT_EQ(receipt->head, *head);
        const auto header = v1::check_record(proof->record, *head);
        EXPECT_TRUE(header) << header.error().detail;
        EXPECT_EQ(header->type, type);
        EXPECT_EQ(header->revision, receipt->deleted);
        EXPECT_EQ(header->time, receipt->time);
        return *receipt;
    }
    answer leave(const person& who, const boost::json::object& body)
    {
        return ask("DELETE", "/v1/account", who.token, boost::json::serialize(body));
    }
};

TEST_F(log_api_test, the_key_needs_no_token_and_the_rest_does)
{
    key();
    for (const auto* path : {"/v1/log/checkpoint", "/v1/log/proof?revision=1"})
        for (const auto* token : {"", "nonsense"})
            EXPECT_EQ(get(path, token).status, 401u) << path;
    EXPECT_EQ(ask("DELETE", "/v1/account", {}, "{}").status, 401u);
    EXPECT_EQ(ask("POST", "/v1/log/key", {}).status, 404u);
}

TEST_F(log_api_test, numbers_are_whole_and_in_range)
{
    const auto who = arrive();
    const std::vector<std::string> numbers = {
        "",     "x",   "-1",  "1.0",  "1e1",  "+1",   "%201",  "0x1", "9007199254740992", "18446744073709551616",
        "1%20", "1,2", "1;2", "null", "true", "1%00", "%D9%A3"};
    for (const auto& bad : numbers)
    {
        for (const auto& query :
             {"checkpoint?from=" + bad, "proof?revision=" + bad, "proof?revision=1&from=" + bad,
              "proof?revision=1&count=" + bad})
        {
            const auto got = get("/v1/log/" + query, who.token);
            EXPECT_EQ(got.status, 400u) << query << " " << got.text;
            EXPECT_EQ(got.code(), "bad-request") << query;
        }
    }
    for (const auto* query : {"proof", "proof?revision=0", "proof?revision=1&count=0", "proof?revision=1&count=101"})
        EXPECT_EQ(get(std::string("/v1/log/") + query, who.token).code(), "bad-request") << query;
    // A tree that this log has not grown to.
    const auto size = events->read()->head().value;
    for (const auto* query : {"checkpoint?", "proof?revision=1&"})
    {
        const auto path = "/v1/log/" + std::string(query) + "from=";
        const auto ahead = get(path + std::to_string(size + 1), who.token);
        EXPECT_EQ(ahead.status, 409u);
        EXPECT_EQ(ahead.code(), "conflict");
        EXPECT_EQ(ahead.body.at("log").as_string(), to_string(events->id())) << "which log it is that is shorter";
        EXPECT_EQ(get(path + std::to_string(size), who.token).status, 200u);
        EXPECT_EQ(get(path + "0", who.token).status, 200u);
    }
}

// Goal: every record of an account is given to it, fits the checkpoint, and every earlier tree is a beginning of it.
TEST_F(log_api_test, records_and_trees_are_proved)
{
    const auto alice = arrive();
    const auto bob = arrive();
    const auto signer = key();
    std::vector<checkpoint> seen;
    std::vector<std::string> sessions;
    for (int round = 0; round < 6; ++round)
    {
        for (const auto* who : {&alice, &bob})
        {
            const auto session = open_session(*who);
            say(*who, session, 5);
            if (who == &alice)
                sessions.push_back(session);
        }
        const auto now = page("checkpoint", alice);
        EXPECT_FALSE(now.consistency);
        EXPECT_TRUE(now.records.empty());
        seen.push_back(*open_checkpoint(now.checkpoint, signer));
        if (round == 3)
            EXPECT_EQ(ask("DELETE", "/v1/sessions/" + sessions[1], alice.token).status, 200u);
    }
    for (const auto* who : {&alice, &bob})
    {
        const auto last = last_revision(*who);
        std::vector<std::uint64_t> revisions;
        std::set<std::uint64_t> places;
        while (revisions.size() < last)
        {
            const auto next = revisions.empty() ? 1 : revisions.back() + 1;
            const auto answer = page("proof?count=7&revision=" + std::to_string(next), *who);
            ASSERT_FALSE(answer.records.empty());
            ASSERT_LE(answer.records.size(), 7u);
            const auto head = open_checkpoint(answer.checkpoint, signer);
            ASSERT_TRUE(head);
            for (const auto& record : answer.records)
            {
                const auto header = v1::check_record(record, *head);
                ASSERT_TRUE(header) << header.error().detail;
                EXPECT_EQ(header->account, who->account);
                revisions.push_back(header->revision);
                places.insert(record.index);
                const bool deleted = to_string(header->stream) == sessions[1] && header->type != 8;
                EXPECT_EQ(record.body.has_value(), !deleted);
            }
        }
        for (std::uint64_t i = 0; i < last; ++i)
            EXPECT_EQ(revisions[i], i + 1);
        EXPECT_EQ(places.size(), last);
        expect_unknown(get("/v1/log/proof?revision=" + std::to_string(last + 1), who->token));
        expect_unknown(get("/v1/log/proof?count=100&revision=9007199254740991", who->token));
    }
    for (const auto& before : seen)
    {
        const auto answer = page("checkpoint?from=" + std::to_string(before.size), bob);
        const auto now = open_checkpoint(answer.checkpoint, signer);
        ASSERT_TRUE(now && answer.consistency);
        EXPECT_TRUE(merkle::verify_consistency(before.size, now->size, before.root, now->root, *answer.consistency));
    }
}

// Goal: an agent cannot even tell whether something it did not make exists.
TEST_F(log_api_test, an_agent_gets_what_it_made)
{
    auto owner = arrive();
    auto agent = owner;
    sign_in(agent, "agent");
    auto other = owner;
    sign_in(other, "agent");
    const auto own = open_session(agent);
    say(agent, own, 3);
    const auto foreign = open_session(other);
    say(other, foreign, 3);
    say(agent, own, 2);
    const auto last = last_revision(owner);
    std::size_t seen = 0;
    for (std::uint64_t rev = 1; rev <= last; ++rev)
    {
        const auto all = page("proof?revision=" + std::to_string(rev), owner);
        const auto stream = to_string(v1::parse_record_header(all.records.front().header)->stream);
        const auto got = get("/v1/log/proof?revision=" + std::to_string(rev), agent.token);
        if (stream != own)
        {
            expect_unknown(got);
            continue;
        }
        ++seen;
        EXPECT_EQ(got.status, 200u);
    }
    EXPECT_EQ(seen, 6u);
    // In a range what is not its own is passed over.
    const auto range = page("proof?revision=1&count=100", agent);
    EXPECT_EQ(range.records.size(), 6u);
    for (const auto& record : range.records)
        EXPECT_EQ(to_string(v1::parse_record_header(record.header)->stream), own);
    EXPECT_EQ(page("checkpoint?from=1", agent).consistency.has_value(), true);

    // Its own deletion is proved with the receipt; afterwards there is nothing of it for an agent.
    check_deletion(ask("DELETE", "/v1/sessions/" + own, agent.token), 8);
    expect_unknown(get("/v1/log/proof?revision=1&count=100", agent.token));
    EXPECT_EQ(ask("DELETE", "/v1/sessions/" + foreign, agent.token).status, 403u);
}

TEST_F(log_api_test, a_deleted_session_has_a_receipt)
{
    const auto who = arrive();
    const auto stranger = arrive();
    const auto created = last_revision(who) + 1;
    const auto session = open_session(who);
    say(who, session, 9);
    EXPECT_EQ(ask("DELETE", "/v1/sessions/" + session, stranger.token).status, 404u);
    const auto receipt = check_deletion(ask("DELETE", "/v1/sessions/" + session, who.token), 8);
    ASSERT_TRUE(std::holds_alternative<v1::deleted_session>(receipt.what));
    EXPECT_EQ(to_string(std::get<v1::deleted_session>(receipt.what).id), session);
    EXPECT_EQ(std::get<v1::deleted_session>(receipt.what).messages, 9u);
    EXPECT_EQ(receipt.created, created);
    EXPECT_EQ(receipt.deleted, last_revision(who));
    const auto again = ask("DELETE", "/v1/sessions/" + session, who.token);
    EXPECT_EQ(again.status, 404u);
    EXPECT_EQ(again.text, R"({"error":"Session not found or not owned by user","code":"not-found","retry":false})");
}

TEST_F(log_api_test, an_account_is_deleted_by_its_key_alone)
{
    auto who = arrive();
    const auto stranger = arrive();
    auto agent = who;
    sign_in(agent, "agent");
    auto unnamed = who;
    sign_in(unnamed, "");
    const auto good = signed_challenge(who.key, who.key);

    for (const auto* text :
         {"", "x", "[]", "null", "{}", R"({"challenge":1,"signature":2})", R"({"challenge":"AA=="})"})
        EXPECT_EQ(ask("DELETE", "/v1/account", who.token, text).status, 400u) << text;
    for (const auto* name : {"challenge", "signature"})
        for (const auto& bad :
             {boost::json::value(nullptr), boost::json::value(7), boost::json::value(true), boost::json::value(""),
              boost::json::value("!!!!"), boost::json::value(boost::json::object())})
        {
            auto body = good;
            body[name] = bad;
            EXPECT_EQ(leave(who, body).status, 400u) << name << boost::json::serialize(bad);
            body[name] = base64_encode(bytes(5000, 1));
            EXPECT_EQ(leave(who, body).status, 413u) << name;
        }
    EXPECT_EQ(leave(agent, good).code(), "forbidden");
    EXPECT_EQ(leave(unnamed, good).code(), "forbidden");
    EXPECT_EQ(leave(who, signed_challenge(who.key, stranger.key)).code(), "unauthorized");
    EXPECT_EQ(leave(who, signed_challenge(stranger.key, who.key)).code(), "expired");
    EXPECT_EQ(leave(who, signed_challenge(stranger.key, stranger.key)).code(), "expired");
    auto made_up = good;
    made_up["challenge"] = base64_encode(view("consortium-login-1\nhttp://localhost\n"));
    EXPECT_EQ(leave(who, made_up).code(), "expired");
    EXPECT_EQ(get("/v1/sessions", who.token).status, 200u) << "nothing was deleted";

    open_session(who);
    say(who, open_session(who), 4);
    const auto receipt = check_deletion(leave(who, good), 18);
    ASSERT_TRUE(std::holds_alternative<v1::deleted_account>(receipt.what));
    const auto& gone = std::get<v1::deleted_account>(receipt.what);
    EXPECT_EQ(gone.id, who.account);
    EXPECT_EQ(gone.sessions, 2u);
    EXPECT_EQ(gone.machines, 0u);
    EXPECT_EQ(receipt.created, 1u);

    for (const auto* token : {&who.token, &agent.token, &unnamed.token})
    {
        EXPECT_EQ(get("/v1/sessions", *token).code(), "unauthorized");
        EXPECT_EQ(ask("DELETE", "/v1/account", *token, boost::json::serialize(good)).code(), "unauthorized");
    }
    EXPECT_EQ(get("/v1/sessions", stranger.token).status, 200u);

    // The same key at once: another account, which the used challenge cannot delete.
    const auto before = who.account;
    sign_in(who, "browser");
    EXPECT_NE(who.account, before);
    EXPECT_EQ(last_revision(who), 2u);
    EXPECT_EQ(leave(who, good).code(), "expired");
}

// Goal: asked for together, made together: one snapshot and one signature for many; each answered once, whoever asks.
TEST_F(log_api_test, proofs_of_a_batch_share_a_checkpoint)
{
    const auto who = arrive();
    say(who, open_session(who), 100);
    const auto head = events->read()->head();
    const auto signer = events->checkpoint_key();

    std::mutex guard;
    std::condition_variable changed;
    std::vector<std::pair<lsn, result<v1::proof_object>>> made;
    const auto ask_for = [&](lsn number)
    {
        proofs->ask(
            number,
            [&, number](result<v1::proof_object> proof)
            {
                EXPECT_FALSE(server->current_thread()) << "not on a network thread";
                const std::lock_guard lock(guard);
                made.emplace_back(number, std::move(proof));
                changed.notify_all();
            });
    };
    // Both reader threads are held until all is asked.
    std::promise<void> go;
    auto gate = go.get_future().share();
    for (int i = 0; i < 2; ++i)
        boost::asio::post(readers, [gate] { gate.wait(); });
    for (lsn number{1}; number <= head; number = number.next())
        ask_for(number);
    ask_for(lsn{head.value + 1000});
    say(who, open_session(who), 3);
    go.set_value();
    {
        std::unique_lock lock(guard);
        ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return made.size() == head.value + 1; }));
    }
    std::set<std::string> checkpoints;
    for (const auto& [number, proof] : made)
    {
        if (number > head)
        {
            EXPECT_FALSE(proof);
            continue;
        }
        ASSERT_TRUE(proof);
        EXPECT_EQ(proof->record.index, number.value - 1);
        EXPECT_TRUE(v1::check_record(proof->record, *open_checkpoint(proof->checkpoint, signer)));
        checkpoints.insert(proof->checkpoint);
    }
    EXPECT_EQ(checkpoints.size(), 1u);
}

} // namespace
} // namespace consortium::relay
