// What the agent finds when it holds a relay's log against what it remembers: a relay played with keys and trees of its
// own, and the example of docs/protocol.md 2.3 that every side shares.
#include "agent/fresh_directory.hpp"
#include "agent/loopback.hpp"
#include "agent/run.hpp"
#include "consortium/common/base64.hpp"
#include "identity/log_checker.hpp"
#include <boost/json.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <sstream>
#include <sys/stat.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;
namespace v1 = consortium::protocol::v1;

namespace
{

constexpr auto account = "10111213-1415-1617-1819-1a1b1c1d1e1f";
constexpr auto session = "20212223-2425-2627-2829-2a2b2c2d2e2f";

ed25519_key signing_key(std::uint8_t first)
{
    byte_array<32> seed{};
    for (auto& each : seed)
        each = first++;
    return ed25519_key::from_seed(key256(seed));
}

/// A log in memory that can do what an honest one cannot.
struct played_log
{
    std::string origin = "consortium-log/30313233-3435-3637-3839-3a3b3c3d3e3f";
    ed25519_key key = signing_key(0x40);
    std::vector<digest256> leaves;

    note::verifier verifier() const { return {origin, key.public_key()}; }
    merkle::node_source nodes() const
    {
        return [this](unsigned level, std::uint64_t index) -> result<digest256>
        {
            merkle::frontier part;
            for (auto at = index << level; at < (index + 1) << level; ++at)
                part.append(leaves.at(at));
            return part.root();
        };
    }
    checkpoint head(std::uint64_t size) const { return {origin, size, merkle::root(size, nodes()).value()}; }
    checkpoint head() const { return head(leaves.size()); }
    std::string note() const { return sign_checkpoint(head(), key); }
    void grow(std::size_t count)
    {
        for (std::size_t i = 0; i < count; ++i)
            leaves.push_back(merkle::leaf_hash({random_array<16>()}));
    }
    /// Stores a message; its record as the relay gives it, but for the path.
    v1::record_object store(const bytes& bundle, std::uint64_t revision, std::uint64_t seq, std::uint16_t type = 4)
    {
        v1::record_object out;
        out.revision = revision;
        out.index = leaves.size();
        out.body = to_bytes(view("before"));
        append(*out.body, bundle);
        bytes header;
        const auto little = [&](std::uint64_t value, int size)
        {
            for (int i = 0; i < size; ++i)
                header.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
        };
        little(type, 2);
        append(header, parse_uuid<account_id>(account)->view());
        append(header, parse_uuid<session_id>(session)->view());
        little(revision, 8);
        little(seq, 8);
        little(1, 8);
        little(out.body->size(), 4);
        out.header = to_array<v1::record_header_bytes>(header);
        out.header_key = random_array<32>();
        out.body_key = random_array<32>();
        out.body_commitment = hmac_sha256(out.body_key, {*out.body});
        leaves.push_back(v1::leaf_of(out).value());
        return out;
    }
    v1::record_object placed(v1::record_object record) const
    {
        record.path = merkle::prove_inclusion(record.index, leaves.size(), nodes()).value();
        return record;
    }
    v1::log_answer answer(std::optional<std::uint64_t> from) const
    {
        v1::log_answer out{"log", note(), std::nullopt, {}};
        if (from)
            out.consistency = merkle::prove_consistency(*from, leaves.size(), nodes()).value();
        return out;
    }
};

template <class... Arguments>
json::object json_of(const Arguments&... arguments)
{
    std::string out;
    v1::json_writer writer(out);
    write(writer, arguments...);
    return json::parse(out).as_object();
}

pinned_log remembering(const played_log& log)
{
    return {.key = log.verifier(), .since = 1, .head = log.head()};
}

log_finding finding(const std::expected<checkpoint, log_mismatch>& judged)
{
    EXPECT_FALSE(judged);
    return judged ? log_finding::new_log : judged.error().what;
}

/// A relay that has nothing but a log, and may be told what to answer.
class log_relay final : public http_only
{
public:
    std::string url() const { return server_.url(); }

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info) override
    {
        const std::lock_guard lock(guard);
        const auto text = request.query_value("from");
        const auto from = text ? std::optional(std::stoull(std::string(*text))) : std::nullopt;
        asked.emplace_back(request.path);
        if (has_log && request.path == "/v1/log/key")
            co_return net::http_response::json(200, json::serialize(json_of(v1::log_key{"log", log.verifier()})));
        if (from && *from > log.leaves.size())
            co_return net::http_response::json(409, R"({"error":"shorter","code":"conflict","retry":false})");
        if (has_log && request.path == "/v1/log/checkpoint")
            co_return net::http_response::json(200, json::serialize(json_of(log.answer(from), false)));
        if (has_log && request.path == "/v1/log/proof" && mine)
        {
            auto answer = log.answer(from);
            answer.records.push_back(log.placed(*mine));
            co_return net::http_response::json(200, json::serialize(json_of(answer, true)));
        }
        co_return net::http_response::json(404, not_found_body);
    }

    std::mutex guard;
    played_log log;
    bool has_log = true;
    std::optional<v1::record_object> mine;
    std::vector<std::string> asked;

private:
    loopback server_{*this};
};

class log_check : public ::testing::Test
{
protected:
    log_check()
    {
        relay.log.grow(5);
        checker.on_alarm = [this](const log_alarm& alarm) { alarms.push_back(alarm.what); };
    }
    log_checker::outcome check() { return run(io, checker.check()).value(); }
    json::object acknowledged(const v1::record_object& record)
    {
        return {
            {"result", "success"},
            {"revision", record.revision},
            {"seq", 3},
            {"proof", json_of(v1::proof_object{relay.log.note(), relay.log.placed(record)})}};
    }
    using outcome = log_checker::outcome;
    using findings = std::vector<log_finding>;

    fresh_directory place;
    boost::asio::io_context io;
    keystore store = keystore::open(place.path() / "state").value();
    system_clock_source clock;
    log_relay relay;
    std::unique_ptr<relay_client> client = relay_client::make(io.get_executor(), relay.url(), {}).value();
    log_checker checker{*client, store, clock};
    findings alarms;
};

} // namespace

TEST(log_witness, accepts_what_continues_what_it_knows)
{
    played_log log;
    log.grow(3);
    auto known = remembering(log);
    EXPECT_EQ(judge_head(known, log.answer(3)).value(), log.head());
    for (const std::size_t more : {1u, 1u, 2u, 9u, 40u})
    {
        log.grow(more);
        const auto judged = judge_head(known, log.answer(known.head->size));
        ASSERT_TRUE(judged) << judged.error().detail;
        known.head = *judged;
        EXPECT_EQ(known.head->size, log.leaves.size());
    }
    pinned_log first{.key = log.verifier(), .since = 1, .head = std::nullopt};
    EXPECT_EQ(judge_head(first, log.answer(std::nullopt)).value(), log.head());
}

TEST(log_witness, finds_a_log_that_was_rewound_forked_or_signed_by_another)
{
    played_log log;
    log.grow(9);
    const auto known = remembering(log);

    auto rewound = log;
    rewound.leaves.resize(7);
    EXPECT_EQ(finding(judge_head(known, rewound.answer(std::nullopt))), log_finding::shorter);

    auto forked = log;
    forked.leaves[4] = merkle::leaf_hash({view("something else")});
    EXPECT_EQ(finding(judge_head(known, forked.answer(9))), log_finding::other_history) << "at the same size";
    forked.grow(4);
    EXPECT_EQ(finding(judge_head(known, forked.answer(9))), log_finding::other_history) << "and later";

    auto longer = log;
    longer.grow(4);
    EXPECT_EQ(finding(judge_head(known, longer.answer(std::nullopt))), log_finding::other_history) << "no proof";
    auto wrong = longer.answer(9);
    wrong.consistency->back()[0] ^= 1;
    EXPECT_EQ(finding(judge_head(known, wrong)), log_finding::other_history);

    longer.key = signing_key(0x50);
    EXPECT_EQ(finding(judge_head(known, longer.answer(9))), log_finding::bad_signature);
    longer.key = log.key;
    longer.origin = "consortium-log/other";
    EXPECT_EQ(finding(judge_head(known, longer.answer(9))), log_finding::bad_signature);
}

TEST(log_witness, proves_a_message_and_finds_one_that_is_not_there_as_sent)
{
    played_log log;
    log.grow(6);
    const bytes bundle = to_bytes(random_array<90>());
    const auto record = log.store(bundle, 12, 3);
    log.grow(2);
    const sent_message sent{*parse_uuid<account_id>(account), *parse_uuid<session_id>(session), 12, 3, bundle};
    const v1::proof_object proof{log.note(), log.placed(record)};
    const auto proved = judge_message(log.verifier(), proof, sent);
    ASSERT_TRUE(proved && *proved);
    EXPECT_EQ((*proved)->index, 6u);

    const auto found = [&](const v1::proof_object& given, const sent_message& expected)
    {
        const auto judged = judge_message(log.verifier(), given, expected);
        return judged ? log_finding::new_log : judged.error().what;
    };
    auto other = sent;
    other.bundle.back() ^= 1;
    EXPECT_EQ(found(proof, other), log_finding::bad_record);
    other = sent;
    other.revision = 13;
    EXPECT_EQ(found(proof, other), log_finding::bad_record);
    other = sent;
    other.seq = 4;
    EXPECT_EQ(found(proof, other), log_finding::bad_record);
    other = sent;
    other.session.value[0] ^= 1;
    EXPECT_EQ(found(proof, other), log_finding::bad_record);
    auto forged = proof;
    forged.record.path.front()[5] ^= 1;
    EXPECT_EQ(found(forged, sent), log_finding::bad_record);
    forged = proof;
    forged.record.index += 1;
    EXPECT_EQ(found(forged, sent), log_finding::bad_record);
    forged = proof;
    forged.record.body->at(0) ^= 1;
    EXPECT_EQ(found(forged, sent), log_finding::bad_record);
    forged = proof;
    forged.checkpoint = sign_checkpoint(log.head(), signing_key(0x50));
    EXPECT_EQ(found(forged, sent), log_finding::bad_signature);
    const auto event = log.store(bundle, 14, 3, 9);
    other = sent;
    other.revision = 14;
    EXPECT_EQ(found({log.note(), log.placed(event)}, other), log_finding::bad_record) << "not a message";

    // Its content may go; its place and what it commits to do not.
    forged = {log.note(), log.placed(record)};
    forged.record.body.reset();
    EXPECT_FALSE(judge_message(log.verifier(), forged, sent).value());
    EXPECT_FALSE(judge_again(**proved, log.head(), {forged.record}));
    forged.record.body_commitment[0] ^= 1;
    EXPECT_EQ(judge_again(**proved, log.head(), {forged.record})->what, log_finding::bad_record);
    EXPECT_EQ(judge_again(**proved, log.head(), {})->what, log_finding::bad_record);
    EXPECT_EQ(judge_again(**proved, log.head(), {log.placed(event)})->what, log_finding::bad_record);
}

TEST(log_witness, reads_the_example_that_all_sides_share)
{
    std::ifstream file(CONSORTIUM_VECTORS "/log_proof.json");
    std::stringstream content;
    content << file.rdbuf();
    const auto example = json::parse(content.str()).as_object();
    const auto key = v1::read_log_key(example.at("key").as_object()).value();
    log_memory memory;
    ASSERT_FALSE(meet_log(memory, "https://relay", key.key, 7));
    auto known = memory.logs.at(key.key.name);
    v1::log_answer answer{key.log, std::string(example.at("older").as_string()), std::nullopt, {}};
    known.head = judge_head(known, answer).value();
    EXPECT_EQ(known.head->size, 3u);
    answer.checkpoint = std::string(example.at("checkpoint").as_string());
    answer.consistency.emplace();
    for (const auto& each : example.at("consistency").as_array())
        answer.consistency->push_back(to_array<32>(*base64_decode(each.as_string())));
    EXPECT_EQ(judge_head(known, answer).value().size, 5u);

    const auto record = v1::read_record(example.at("record").as_object()).value();
    const sent_message sent{
        *parse_uuid<account_id>(account), *parse_uuid<session_id>(session), 5, 3, to_bytes(view("hello"))};
    const auto proved = judge_message(key.key, {answer.checkpoint, record}, sent);
    ASSERT_TRUE(proved && *proved);
    EXPECT_EQ(hex_encode((*proved)->leaf), "79e1fa40c43ba802e3fcb2e3eed14583fd341c7f80d1d0f0310b3e313a26aaba");
    const auto emptied = v1::read_record(example.at("shredded").as_object()).value();
    EXPECT_FALSE(judge_again(**proved, *open_checkpoint(answer.checkpoint, key.key), {emptied}));
}

TEST(log_witness, a_key_is_pinned_and_never_replaced)
{
    played_log log;
    log_memory memory;
    EXPECT_FALSE(meet_log(memory, "https://relay", log.verifier(), 7));
    EXPECT_FALSE(meet_log(memory, "https://relay", log.verifier(), 8));
    EXPECT_EQ(memory.logs.at(log.origin).since, 7);
    const auto before = memory;
    auto swapped = log;
    swapped.key = signing_key(0x50);
    EXPECT_EQ(meet_log(memory, "https://relay", swapped.verifier(), 9)->what, log_finding::other_key);
    EXPECT_EQ(memory, before);
    swapped.origin = "consortium-log/another";
    EXPECT_EQ(meet_log(memory, "https://relay", swapped.verifier(), 9)->what, log_finding::new_log);
    EXPECT_FALSE(meet_log(memory, "https://relay", swapped.verifier(), 10)) << "said once";
    EXPECT_FALSE(meet_log(memory, "https://elsewhere", log.verifier(), 10)) << "each relay for itself";
    EXPECT_NE(fingerprint(log.verifier()), fingerprint(swapped.verifier()));
}

TEST(log_witness, remembers_everything_in_text)
{
    played_log log;
    log.grow(4);
    log_memory memory;
    EXPECT_EQ(read_log_memory(write_log_memory(memory)).value(), memory);
    (void)meet_log(memory, "https://relay", log.verifier(), 7);
    memory.logs.at(log.origin).head = log.head();
    memory.logs.at(log.origin).verified = 8;
    memory.logs.at(log.origin).proved = 9;
    EXPECT_TRUE(memory.raise({log_finding::shorter, "https://relay", log.origin, "detail", 1, 1}));
    EXPECT_FALSE(memory.raise({log_finding::shorter, "https://relay", log.origin, "again", 2, 2}));
    EXPECT_TRUE(memory.raise({log_finding::other_key, "https://relay", log.origin, "detail", 1, 1}));
    EXPECT_EQ(memory.alarms.at(0).times, 2u);
    EXPECT_EQ(read_log_memory(write_log_memory(memory)).value(), memory);
    auto text = write_log_memory(memory);
    EXPECT_FALSE(read_log_memory(text.substr(0, text.size() / 2)));
    EXPECT_FALSE(read_log_memory("{}"));
    EXPECT_EQ(read_log_memory(R"({"format":2})").error(), errc::newer_version);
    text.replace(text.find("\"root\":\"") + 8, 4, "AAAA AA");
    EXPECT_EQ(read_log_memory(text).error(), errc::corrupt);
}

TEST_F(log_check, remembers_what_it_accepted_where_nobody_else_reads)
{
    EXPECT_FALSE(checker.ready());
    EXPECT_EQ(check(), outcome::fits);
    EXPECT_TRUE(checker.ready());
    relay.log.grow(3);
    EXPECT_EQ(check(), outcome::fits);
    const auto memory = store.load_log_memory().value();
    EXPECT_EQ(memory.logs.at(relay.log.origin).head, relay.log.head());
    EXPECT_GT(memory.logs.at(relay.log.origin).verified, 0);
    struct stat status{};
    ASSERT_EQ(::stat((place.path() / "state/relay-log.json").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
    EXPECT_TRUE(alarms.empty());
}

TEST_F(log_check, a_relay_without_these_routes_is_simply_not_checked)
{
    relay.has_log = false;
    EXPECT_EQ(check(), outcome::not_offered);
    EXPECT_FALSE(checker.ready());
    EXPECT_EQ(store.load_log_memory().value(), log_memory());
}

TEST_F(log_check, an_alarm_is_raised_once_stays_and_replaces_nothing)
{
    ASSERT_EQ(check(), outcome::fits);
    const auto honest = relay.log;
    relay.log.leaves.resize(4);
    EXPECT_EQ(check(), outcome::mismatch);
    EXPECT_EQ(check(), outcome::mismatch);
    EXPECT_EQ(alarms, findings{log_finding::shorter});
    relay.log = honest;
    relay.log.leaves[2] = merkle::leaf_hash({view("x")});
    relay.log.grow(2);
    EXPECT_EQ(check(), outcome::mismatch);
    relay.log.key = signing_key(0x50);
    EXPECT_EQ(check(), outcome::mismatch);
    EXPECT_EQ(
        alarms,
        (findings{
            log_finding::shorter, log_finding::other_history, log_finding::other_key, log_finding::bad_signature}));
    // Back to the truth: it fits again, and the alarms stay for the person.
    relay.log = honest;
    EXPECT_EQ(check(), outcome::fits);
    EXPECT_EQ(store.load_log_memory().value().alarms.size(), 4u);
    EXPECT_EQ(store.load_log_memory().value().alarms.at(0).times, 2u);
    EXPECT_EQ(run(io, checker.acknowledge()).value(), 4u);
    EXPECT_TRUE(store.load_log_memory().value().alarms.empty());
    EXPECT_EQ(store.load_log_memory().value().logs.at(honest.origin).head, honest.head());
}

TEST_F(log_check, acknowledging_begins_anew_with_what_is_shown_then)
{
    ASSERT_EQ(check(), outcome::fits);
    relay.log.leaves.resize(2);
    relay.log.grow(1);
    relay.log.key = signing_key(0x50);
    EXPECT_EQ(check(), outcome::mismatch);
    EXPECT_GE(run(io, checker.acknowledge()).value(), 1u);
    const auto memory = store.load_log_memory().value();
    EXPECT_TRUE(memory.alarms.empty());
    EXPECT_EQ(memory.logs.at(relay.log.origin).key, relay.log.verifier());
    EXPECT_EQ(memory.logs.at(relay.log.origin).head, relay.log.head());
    EXPECT_EQ(check(), outcome::fits);
}

TEST_F(log_check, a_proved_message_is_looked_for_again)
{
    ASSERT_EQ(check(), outcome::fits);
    const bytes bundle = to_bytes(random_array<90>());
    relay.mine = relay.log.store(bundle, 12, 3);
    checker.look_at(unchecked(acknowledged(*relay.mine)), account, session, base64_encode(bundle));
    EXPECT_TRUE(alarms.empty());
    EXPECT_GT(store.load_log_memory().value().logs.at(relay.log.origin).proved, 0);
    relay.log.grow(3);
    EXPECT_EQ(check(), outcome::fits);
    EXPECT_EQ(relay.asked.back(), "/v1/log/proof");

    // The same record elsewhere in a log that seems to continue.
    const auto honest = *relay.mine;
    relay.log.leaves.push_back(v1::leaf_of(honest).value());
    relay.mine->index = relay.log.leaves.size() - 1;
    EXPECT_EQ(check(), outcome::mismatch);
    EXPECT_EQ(alarms, findings{log_finding::bad_record});
    relay.mine.reset(); // its session was deleted
    EXPECT_EQ(check(), outcome::fits);
    EXPECT_EQ(relay.asked.back(), "/v1/log/checkpoint");
}

TEST_F(log_check, a_message_that_is_not_in_the_log_is_an_alarm)
{
    ASSERT_EQ(check(), outcome::fits);
    const bytes bundle = to_bytes(random_array<90>());
    const auto record = relay.log.store(bundle, 12, 3);
    const auto text = base64_encode(bundle);
    checker.look_at(unchecked({{"result", "success"}, {"revision", 12}, {"seq", 3}}), account, session, text);
    checker.look_at(
        unchecked({{"result", "success"}, {"revision", 12}, {"seq", 3}, {"proof", nullptr}}), account, session, text);
    EXPECT_TRUE(alarms.empty()) << "nothing was claimed";
    auto forged = acknowledged(record);
    forged["proof"].as_object()["record"].as_object()["path"].as_array()[0] = base64_encode(random_array<32>());
    checker.look_at(unchecked(forged), account, session, text);
    EXPECT_EQ(alarms, findings{log_finding::bad_record});
    EXPECT_EQ(store.load_log_memory().value().logs.at(relay.log.origin).proved, 0);
}

TEST_F(log_check, a_damaged_memory_is_not_taken_for_none)
{
    ASSERT_EQ(check(), outcome::fits);
    std::ofstream(place.path() / "state/relay-log.json") << "{";
    const auto checked = run(io, checker.check());
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error(), errc::corrupt);
    EXPECT_NE(checked.error().detail.find("Remove the file"), std::string::npos);
}
