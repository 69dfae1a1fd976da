#include "consortium/common/base64.hpp"
#include "consortium/common/checkpoint.hpp"
#include "consortium/common/merkle.hpp"
#include "event_codec.hpp"
#include "record_codec.hpp"
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

// tests/vectors/records.json: records, checkpoints and receipts as every client must understand them, made by the code
// that writes the log. The dashboard's tests read the same file. After a change that is meant, write it anew:
// CONSORTIUM_WRITE_VECTORS=1 log_codec_test --gtest_filter='shared_vectors.*'
namespace consortium::log
{
namespace
{

namespace json = boost::json;
constexpr const char* vectors_path = CONSORTIUM_VECTORS "/records.json";

key256 key_of(std::uint8_t fill)
{
    byte_array<32> bytes;
    bytes.fill(fill);
    return key256(bytes);
}

template <class Id>
Id id_of(std::uint8_t fill)
{
    Id out;
    out.value.fill(fill);
    return out;
}

const key256 log_secret = key_of(0x11);
const account_id mine = id_of<account_id>(0xa1);
const account_id another = id_of<account_id>(0xb2);
const stream_id session = id_of<stream_id>(0x51);
constexpr unix_millis start = 1'700'000'000'000;

std::string bundle(std::uint8_t fill)
{
    bytes content(61, fill);
    content.front() = 1;
    return base64_encode(content);
}

struct sample
{
    event_header header;
    event_body body;
    bool shredded = false;
};

sample event_of(
    event_type type, account_id account, stream_id stream, std::uint64_t rev, event_body body = no_body{},
    std::uint64_t seq = 0)
{
    return {{.type = type, .account = account, .stream = stream, .rev = {rev}, .seq = seq}, std::move(body)};
}

message_appended message(std::uint8_t fill)
{
    return {.id = id_of<message_id>(fill), .local_id = "local", .content = bundle(fill)};
}

std::vector<sample> samples()
{
    const auto account_stream = mine.as<stream_id>();
    std::vector<sample> out{
        event_of(event_type::account_created, mine, account_stream, 1, account_created{.public_key = {7}}),
        event_of(
            event_type::device_added, mine, id_of<stream_id>(0xd1), 2,
            device_added{.public_key = bytes(32, 9), .kind = device_kind::browser, .sealed_name = "c2VhbGVk"}),
        event_of(event_type::account_created, another, another.as<stream_id>(), 1, account_created{.public_key = {8}}),
        event_of(
            event_type::session_created, mine, session, 3,
            session_created{
                .creator = id_of<device_id>(0xd1), .tag = "tag", .metadata = "bWV0YQ==", .data_key = "a2V5"}),
        event_of(event_type::message_appended, mine, session, 4, message(0x21), 1),
        event_of(event_type::message_appended, another, id_of<stream_id>(0x52), 2, message(0x22), 1),
        event_of(event_type::message_appended, mine, session, 5, message(0x23), 2),
        event_of(event_type::session_ended, mine, session, 6),
        event_of(
            event_type::message_appended, mine, session, 7,
            message_appended{.id = id_of<message_id>(3), .local_id = {}, .content = "not base64"}, 3),
        event_of(event_type::session_deleted, mine, session, 8),
        event_of(event_type::account_deleted, mine, account_stream, 9),
    };
    // What belongs to the session is shredded; its deletion is not.
    out[3].shredded = out[4].shredded = true;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i].header.time = start + static_cast<unix_millis>(i);
    return out;
}

key256 blinding_key(const key256& secret, std::string_view label, const event_header& header)
{
    return derive_key(secret, {view(label), header.account.view(), big_endian<std::uint64_t>(header.rev.value)});
}

json::value hashes(const merkle::proof& proof)
{
    json::array out;
    for (const auto& hash : proof)
        out.emplace_back(base64_encode(hash));
    return out;
}

std::string receipt_text(const std::vector<std::string>& lines)
{
    std::string out;
    for (const auto& line : lines)
        out += line + "\n";
    return out;
}

json::object made_vectors()
{
    const auto all = samples();
    const sealing_key log_key(log_secret);
    const key256 data_secret = key_of(0x22);
    const sealing_key data_key(data_secret);

    std::vector<digest256> leaves;
    json::array records;
    for (std::size_t i = 0; i < all.size(); ++i)
    {
        auto header = all[i].header;
        body_encoder encoder;
        const auto body = to_bytes(encoder.encode(all[i].body));
        header.body_bytes = static_cast<std::uint32_t>(body.size());
        const auto image = write_header(header);
        bytes sealed;
        leaves.push_back(seal_record(sealed, log_key, {i + 1}, header, stored_key_id{1}, data_key, body));
        const auto header_key = blinding_key(log_secret, "hdr", header);
        const auto body_key = blinding_key(data_secret, "body", header);
        // The blinding keys open what the codec committed to: that is what a client recomputes.
        EXPECT_EQ(hmac_sha256(header_key.view(), {image}), commit_header(log_key, header, image));
        EXPECT_EQ(hmac_sha256(body_key.view(), {body}), commit_body(data_key, header, body));
        if (header.account != mine)
            continue;
        json::object record{
            {"revision", header.rev.value},
            {"index", i},
            {"header", base64_encode(image)},
            {"headerKey", base64_encode(header_key.view())},
            {"body", all[i].shredded ? json::value() : json::value(base64_encode(body))},
            {"bodyKey", all[i].shredded ? json::value() : json::value(base64_encode(body_key.view()))},
            {"bodyCommitment", base64_encode(commit_body(data_key, header, body))},
        };
        const auto* said = std::get_if<message_appended>(&all[i].body);
        records.push_back(
            {{"record", std::move(record)},
             {"expected",
              {{"type", static_cast<std::uint16_t>(header.type)},
               {"account", to_string(header.account)},
               {"stream", to_string(header.stream)},
               {"revision", header.rev.value},
               {"seq", header.seq},
               {"time", header.time},
               {"bodyBytes", header.body_bytes}}},
             {"content", said && !all[i].shredded ? json::value(said->content) : json::value()},
             {"leaf", base64_encode(leaves.back())}});
    }

    const merkle::node_source nodes = [&](unsigned level, std::uint64_t index) -> result<digest256>
    {
        merkle::frontier tree;
        for (auto i = index << level; i < (index + 1) << level; ++i)
            tree.append(leaves.at(i));
        return tree.root();
    };
    const auto key = ed25519_key::from_seed(key_of(0x33));
    const auto origin = "consortium-log/" + to_string(id_of<log_id>(0x10));
    const auto at = [&](std::uint64_t size)
    { return checkpoint{.origin = origin, .size = size, .root = merkle::root(size, nodes).value()}; };
    const auto size = leaves.size();
    for (auto& entry : records)
    {
        auto& record = entry.as_object().at("record").as_object();
        const auto index = record.at("index").to_number<std::uint64_t>();
        record["path"] = hashes(merkle::prove_inclusion(index, size, nodes).value());
    }
    json::array checkpoints;
    for (std::uint64_t before = 1; before <= size; before += 3)
        checkpoints.push_back(
            {{"size", before},
             {"note", sign_checkpoint(at(before), key)},
             {"consistency", hashes(merkle::prove_consistency(before, size, nodes).value())}});

    const auto end = "checkpoint " + std::to_string(size) + " " + base64_encode(at(size).root);
    const auto session_receipt = receipt_text(
        {"consortium deletion receipt 1", origin, "session " + to_string(session), "revisions 3 to 8", "messages 3",
         "time " + std::to_string(start + 9), end});
    const auto account_receipt = receipt_text(
        {"consortium deletion receipt 1", origin, "account " + to_string(mine), "revisions 1 to 9", "sessions 1",
         "machines 0", "time " + std::to_string(start + 10), end});
    return {
        {"about", "made by tests/log/shared_vectors_test.cpp; records of one account in a log with another's"},
        {"key", note::verifier{origin, key.public_key()}.text()},
        {"origin", origin},
        {"checkpoint", sign_checkpoint(at(size), key)},
        {"checkpoints", std::move(checkpoints)},
        {"records", std::move(records)},
        {"sessionReceipt", note::sign(session_receipt, origin, key)},
        {"accountReceipt", note::sign(account_receipt, origin, key)},
    };
}

/// One line for each value, and for each element of a list.
std::string lines_of(const json::object& vectors)
{
    std::string out = "{";
    const char* comma = "\n";
    for (const auto& [name, value] : vectors)
    {
        out += comma + ("  " + json::serialize(json::value(name)) + ": ");
        comma = ",\n";
        if (!value.is_array())
        {
            out += json::serialize(value);
            continue;
        }
        const char* between = "[\n";
        for (const auto& element : value.as_array())
        {
            out += between + ("    " + json::serialize(element));
            between = ",\n";
        }
        out += "\n  ]";
    }
    return out + "\n}\n";
}

// Goal: clients in other languages are tested against what this code really makes.
TEST(shared_vectors, are_what_this_code_makes)
{
    const auto made = lines_of(made_vectors());
    if (std::getenv("CONSORTIUM_WRITE_VECTORS") != nullptr)
        std::ofstream(vectors_path) << made;
    std::ifstream file(vectors_path);
    std::stringstream content;
    content << file.rdbuf();
    EXPECT_EQ(content.str(), made);
}

} // namespace
} // namespace consortium::log
