#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/protocol/v1/proofs.hpp"
#include "consortium/protocol/v1/receipt.hpp"
#include <boost/json/parse.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace consortium::protocol::v1
{
namespace
{

template <class Value, class... More>
boost::json::object json_of(const Value& value, More... more)
{
    std::string text;
    json_writer out(text);
    write(out, value, more...);
    return boost::json::parse(text).as_object();
}

byte_array<32> hash_of(std::string_view text)
{
    return to_array<32>(*hex_decode(text));
}

// The example of docs/log-format.md, "Records".
constexpr auto header_hex =
    "0400101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0500000000000000030000000000"
    "00000068e5cf8b01000005000000";
constexpr auto leaf_hex = "79e1fa40c43ba802e3fcb2e3eed14583fd341c7f80d1d0f0310b3e313a26aaba";

byte_array<32> counting_from(std::uint8_t first)
{
    byte_array<32> out{};
    for (auto& byte : out)
        byte = first++;
    return out;
}

/// The record of that example and a tree with other leaves around it.
struct proven : ::testing::Test
{
    static void SetUpTestSuite() { init_crypto(); }

    proven()
    {
        record.revision = 5;
        record.index = 2;
        record.header = to_array<record_header_bytes>(*hex_decode(header_hex));
        const byte_view account = byte_view(record.header).subspan(2, 16);
        const auto revision = big_endian(std::uint64_t{5});
        const auto header_key =
            derive_key(key256(counting_from(0)), {view(std::string_view("hdr")), account, revision});
        const auto body_key =
            derive_key(key256(counting_from(0x80)), {view(std::string_view("body")), account, revision});
        record.header_key = to_array<32>(header_key.view());
        record.body = to_bytes(view("hello"));
        record.body_key = to_array<32>(body_key.view());
        record.body_commitment = hmac_sha256(record.body_key, {*record.body});

        std::vector<digest256> leaves(7);
        for (std::size_t i = 0; i < leaves.size(); ++i)
            leaves[i] = sha256({big_endian(i)});
        leaves[record.index] = hash_of(leaf_hex);
        const auto node = [&](unsigned level, std::uint64_t index) -> result<digest256>
        {
            std::vector<digest256> row(
                leaves.begin() + static_cast<std::ptrdiff_t>(index << level),
                leaves.begin() + static_cast<std::ptrdiff_t>((index + 1) << level));
            for (; row.size() > 1; row.resize(row.size() / 2))
                for (std::size_t i = 0; i < row.size() / 2; ++i)
                    row[i] = merkle::node_hash(row[2 * i], row[2 * i + 1]);
            return row.front();
        };
        head = {"consortium-log/test", leaves.size(), *merkle::root(leaves.size(), node)};
        record.path = *merkle::prove_inclusion(record.index, leaves.size(), node);
    }

    record_object record;
    checkpoint head;
};

TEST_F(proven, a_record_is_checked_against_a_checkpoint)
{
    EXPECT_EQ(*leaf_of(record), hash_of(leaf_hex));
    const auto header = check_record(record, head);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->type, 4);
    EXPECT_EQ(to_string(header->account), "10111213-1415-1617-1819-1a1b1c1d1e1f");
    EXPECT_EQ(to_string(header->stream), "20212223-2425-2627-2829-2a2b2c2d2e2f");
    EXPECT_EQ(header->revision, 5u);
    EXPECT_EQ(header->seq, 3u);
    EXPECT_EQ(header->time, 1'700'000'000'000);
    EXPECT_EQ(header->body_bytes, 5u);

    // Once the body is destroyed its commitment stands for it: the same leaf.
    record.body.reset();
    record.body_key = {};
    EXPECT_TRUE(check_record(record, head));
}

// Goal: nothing of a record can be exchanged. Method: every bit of every part, one at a time.
TEST_F(proven, whatever_is_altered_is_found)
{
    const auto refused = [&](const record_object& altered, std::string_view what)
    {
        const auto checked = check_record(altered, head);
        ASSERT_FALSE(checked) << what;
        EXPECT_EQ(checked.error(), errc::corrupt) << what;
    };
    const auto flip_each = [&](std::string_view what, auto part)
    {
        auto altered = record;
        const auto size = part(altered).size();
        for (std::size_t bit = 0; bit < size * 8; ++bit)
        {
            altered = record;
            part(altered)[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
            refused(altered, what);
        }
    };
    flip_each("header", [](record_object& r) -> auto& { return r.header; });
    flip_each("header key", [](record_object& r) -> auto& { return r.header_key; });
    flip_each("body", [](record_object& r) -> auto& { return *r.body; });
    flip_each("body key", [](record_object& r) -> auto& { return r.body_key; });
    flip_each("commitment", [](record_object& r) -> auto& { return r.body_commitment; });
    for (std::size_t i = 0; i < record.path.size(); ++i)
        flip_each("path", [i](record_object& r) -> auto& { return r.path[i]; });

    auto altered = record;
    altered.revision = 6;
    refused(altered, "revision");
    altered = record;
    altered.index = 3;
    refused(altered, "index");
    altered = record;
    altered.path.pop_back();
    refused(altered, "a shorter path");
    altered = record;
    altered.path.push_back({});
    refused(altered, "a longer path");
    altered = record;
    altered.body->push_back(0);
    refused(altered, "a longer body");
    altered = record;
    head.size = 9;
    refused(record, "another size");
}

TEST_F(proven, what_is_written_is_read)
{
    EXPECT_EQ(*read_record(json_of(record)), record);
    auto shredded = record;
    shredded.body.reset();
    shredded.body_key = {};
    EXPECT_EQ(*read_record(json_of(shredded)), shredded);
    EXPECT_TRUE(json_of(shredded)["body"].is_null());
    EXPECT_TRUE(json_of(shredded)["bodyKey"].is_null());
    auto empty = record;
    empty.body = bytes();
    EXPECT_EQ(*read_record(json_of(empty)), empty);

    const auto proof = read_proof(json_of(proof_object{"note\n", record}));
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->checkpoint, "note\n");
    EXPECT_EQ(proof->record, record);

    const log_answer page{.log = "id", .checkpoint = "note", .consistency = record.path, .records = {record, shredded}};
    const auto read = read_log_answer(json_of(page, true));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->records, page.records);
    EXPECT_EQ(read->consistency, page.consistency);
    const auto bare = read_log_answer(
        json_of(log_answer{.log = "id", .checkpoint = "note", .consistency = {}, .records = {}}, false));
    ASSERT_TRUE(bare);
    EXPECT_FALSE(bare->consistency);

    const auto signer = ed25519_key::random();
    const log_key key{"id", {"consortium-log/id", signer.public_key()}};
    EXPECT_EQ(read_log_key(json_of(key))->key, key.key);
}

// Goal: what a relay sends is refused by a reader, not believed. Method: each member in turn missing, of another type,
// too long.
TEST_F(proven, what_is_malformed_is_refused)
{
    const auto good = json_of(record);
    for (const auto& member : good)
    {
        const std::string name(member.key());
        if (name == "body") // null and absent mean the same
            continue;
        auto bad = good;
        bad.erase(name);
        EXPECT_EQ(read_record(bad).error(), errc::bad_request) << name;
        bad[name] = boost::json::object();
        EXPECT_EQ(read_record(bad).error(), errc::bad_request) << name;
        bad[name] = "not base64";
        EXPECT_EQ(read_record(bad).error(), errc::bad_request) << name;
        bad[name] = base64_encode(bytes(33, 1));
        EXPECT_EQ(read_record(bad).error(), errc::bad_request) << name;
    }
    auto bad = good;
    bad["path"] = boost::json::array(66, boost::json::value(base64_encode(bytes(32, 1))));
    EXPECT_EQ(read_record(bad).error(), errc::too_large);
    bad = good;
    bad["path"] = boost::json::array{1};
    EXPECT_EQ(read_record(bad).error(), errc::bad_request);

    const auto signer = ed25519_key::random();
    const auto key = json_of(log_key{"id", {"consortium-log/id", signer.public_key()}});
    for (const auto* name : {"log", "origin", "key", "publicKey"})
    {
        auto other = key;
        other[name] = "x";
        if (std::string_view(name) != "log")
            EXPECT_EQ(read_log_key(other).error(), errc::bad_request) << name;
        other.erase(name);
        EXPECT_EQ(read_log_key(other).error(), errc::bad_request) << name;
    }
}

// Goal: the document's example holds, so that whoever writes a client can check theirs with it.
TEST_F(proven, the_worked_example_of_the_document)
{
    std::ifstream file(CONSORTIUM_VECTORS "/log_proof.json");
    std::stringstream text;
    text << file.rdbuf();
    const auto given = boost::json::parse(text.str()).as_object();
    const auto note = [&](std::string_view name) { return std::string(given.at(name).as_string()); };

    const auto key = read_log_key(given.at("key").as_object());
    ASSERT_TRUE(key);
    EXPECT_EQ(key->key.name, "consortium-log/" + key->log);
    const auto older = open_checkpoint(note("older"), key->key);
    const auto signed_head = open_checkpoint(note("checkpoint"), key->key);
    ASSERT_TRUE(older && signed_head);
    merkle::proof consistency;
    for (const auto& hash : given.at("consistency").as_array())
        consistency.push_back(to_array<32>(*base64_decode(std::string(hash.as_string()))));
    EXPECT_TRUE(
        merkle::verify_consistency(older->size, signed_head->size, older->root, signed_head->root, consistency));

    for (const auto* name : {"record", "shredded"})
    {
        const auto read = read_record(given.at(name).as_object());
        ASSERT_TRUE(read) << name;
        EXPECT_EQ(*leaf_of(*read), hash_of(leaf_hex));
        EXPECT_TRUE(check_record(*read, *signed_head)) << name;
        EXPECT_EQ(json_of(*read), given.at(name).as_object());
    }
    const auto receipt = open_receipt(note("receipt"), key->key);
    ASSERT_TRUE(receipt);
    EXPECT_EQ(receipt->head, *signed_head);
    EXPECT_EQ(std::get<deleted_session>(receipt->what).messages, 3u);
}

TEST_F(proven, a_receipt_is_exactly_its_text)
{
    deletion_receipt session{
        .what = deleted_session{session_id{to_array<16>(byte_view(record.header).subspan(18))}, 12},
        .created = 3,
        .deleted = 40,
        .time = 1'700'000'000'000,
        .head = head};
    EXPECT_EQ(
        session.text(), "consortium deletion receipt 1\n"
                        "consortium-log/test\n"
                        "session 20212223-2425-2627-2829-2a2b2c2d2e2f\n"
                        "revisions 3 to 40\n"
                        "messages 12\n"
                        "time 1700000000000\n"
                        "checkpoint 7 " +
                            base64_encode(head.root) + "\n");
    deletion_receipt account = session;
    account.what = deleted_account{account_id{to_array<16>(byte_view(record.header).subspan(2))}, 4, 2};
    account.created = 1;
    EXPECT_EQ(
        account.text(), "consortium deletion receipt 1\n"
                        "consortium-log/test\n"
                        "account 10111213-1415-1617-1819-1a1b1c1d1e1f\n"
                        "revisions 1 to 40\n"
                        "sessions 4\n"
                        "machines 2\n"
                        "time 1700000000000\n"
                        "checkpoint 7 " +
                            base64_encode(head.root) + "\n");
    const auto signer = ed25519_key::random();
    for (const auto& given : {session, account})
    {
        EXPECT_EQ(*deletion_receipt::parse(given.text()), given);
        const auto text = given.text();
        for (std::size_t cut = 0; cut < text.size(); ++cut)
            EXPECT_FALSE(deletion_receipt::parse(text.substr(0, cut))) << cut;
        EXPECT_FALSE(deletion_receipt::parse(text + "\n"));

        const auto note = note::sign(text, head.origin, signer);
        EXPECT_EQ(*open_receipt(note, {head.origin, signer.public_key()}), given);
        EXPECT_FALSE(open_receipt(note, {head.origin, ed25519_key::random().public_key()}));
        const auto elsewhere = note::sign(text, "consortium-log/other", signer);
        EXPECT_EQ(open_receipt(elsewhere, {"consortium-log/other", signer.public_key()}).error(), errc::corrupt);
    }
}

} // namespace
} // namespace consortium::protocol::v1
