#include "consortium/protocol/v1/proofs.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include <boost/json/array.hpp>

namespace consortium::protocol::v1
{
namespace
{

// A tree of 2^64 leaves has paths of 64 hashes; a consistency proof has at most one more.
constexpr std::size_t proof_hashes_max = 65;
// Origin, size, root, and a signature line.
constexpr std::size_t note_bytes_max = 4096;
constexpr std::size_t key_text_bytes_max = 512;
constexpr std::size_t body_text_bytes_max = (limits::record_body_bytes_max + 2) / 3 * 4;

void write_hashes(json_writer& out, std::string_view name, const merkle::proof& hashes)
{
    out.key(name).begin_array();
    for (const auto& hash : hashes)
        out.value(base64_encode(hash));
    out.end_array();
}

merkle::proof read_hashes(field_reader& fields, std::string_view name)
{
    merkle::proof out;
    const auto* items = fields.array(name);
    if (!items)
        return out;
    if (items->size() > proof_hashes_max)
    {
        fields.refuse(errc::too_large, name, " holds too many hashes");
        return out;
    }
    for (const auto& item : *items)
    {
        const auto* text = item.if_string();
        const auto hash = text ? base64_decode({text->data(), text->size()}) : fail(errc::bad_request, {});
        if (!hash || hash->size() != sizeof(digest256))
        {
            fields.refuse(errc::bad_request, name, " must hold hashes of 32 bytes in base64");
            return {};
        }
        out.push_back(to_array<32>(*hash));
    }
    return out;
}

template <class Value>
void take(field_reader& fields, std::string_view name, result<Value> given, Value& to)
{
    if (given)
        to = std::move(*given);
    else
        fields.refuse(given.error().code, std::string(name) + ".", given.error().detail);
}

} // namespace

result<record_header> parse_record_header(byte_view header)
{
    if (header.size() != record_header_bytes)
        return fail(errc::bad_request, "a record's header has 62 bytes");
    record_header out;
    out.type = load_little_endian<std::uint16_t>(header);
    out.account = account_id{to_array<16>(header.subspan(2))};
    out.stream = stream_id{to_array<16>(header.subspan(18))};
    out.revision = load_little_endian<std::uint64_t>(header.subspan(34));
    out.seq = load_little_endian<std::uint64_t>(header.subspan(42));
    out.time = load_little_endian<std::int64_t>(header.subspan(50));
    out.body_bytes = load_little_endian<std::uint32_t>(header.subspan(58));
    return out;
}

void write(json_writer& out, const record_object& value)
{
    out.begin_object()
        .field("revision", value.revision)
        .field("index", value.index)
        .field("header", base64_encode(value.header))
        .field("headerKey", base64_encode(value.header_key));
    if (value.body)
        out.field("body", base64_encode(*value.body)).field("bodyKey", base64_encode(value.body_key));
    else
        out.field("body", nullptr).field("bodyKey", nullptr);
    out.field("bodyCommitment", base64_encode(value.body_commitment));
    write_hashes(out, "path", value.path);
    out.end_object();
}

result<record_object> read_record(const boost::json::object& from)
{
    field_reader fields(from);
    record_object out;
    out.revision = static_cast<std::uint64_t>(fields.integer("revision", 1));
    out.index = static_cast<std::uint64_t>(fields.integer("index", 0));
    out.header = fields.key<record_header_bytes>("header");
    out.header_key = fields.key<32>("headerKey");
    if (const auto text = fields.maybe_text("body", body_text_bytes_max))
    {
        auto body = base64_decode(*text);
        if (!body)
            fields.refuse(errc::bad_request, "body", " is not standard base64 with padding");
        else
            out.body = std::move(*body);
        out.body_key = fields.key<32>("bodyKey");
    }
    out.body_commitment = fields.key<32>("bodyCommitment");
    out.path = read_hashes(fields, "path");
    return fields.finish(std::move(out));
}

void write(json_writer& out, const proof_object& value)
{
    out.begin_object().field("checkpoint", value.checkpoint).key("record");
    write(out, value.record);
    out.end_object();
}

result<proof_object> read_proof(const boost::json::object& from)
{
    field_reader fields(from);
    proof_object out;
    out.checkpoint = fields.name("checkpoint", note_bytes_max);
    if (const auto* record = fields.maybe_object("record"))
        take(fields, "record", read_record(*record), out.record);
    else
        fields.refuse(errc::bad_request, "record", " is missing");
    return fields.finish(std::move(out));
}

void write(json_writer& out, const log_answer& value, bool with_records)
{
    out.begin_object().field("log", value.log).field("checkpoint", value.checkpoint);
    if (value.consistency)
        write_hashes(out, "consistency", *value.consistency);
    if (with_records)
    {
        out.key("records").begin_array();
        for (const auto& record : value.records)
            write(out, record);
        out.end_array();
    }
    out.end_object();
}

result<log_answer> read_log_answer(const boost::json::object& from)
{
    field_reader fields(from);
    log_answer out;
    out.log = fields.name("log", limits::name_bytes_max);
    out.checkpoint = fields.name("checkpoint", note_bytes_max);
    if (fields.has("consistency"))
        out.consistency = read_hashes(fields, "consistency");
    const auto* records = fields.has("records") ? fields.array("records") : nullptr;
    if (records && records->size() > limits::proof_count_max)
        fields.refuse(errc::too_large, "records", " holds too many records");
    else if (records)
        for (const auto& item : *records)
        {
            const auto* object = item.if_object();
            if (!object)
                return fail(errc::bad_request, "records must hold objects");
            take(fields, "records", read_record(*object), out.records.emplace_back());
        }
    return fields.finish(std::move(out));
}

void write(json_writer& out, const log_key& value)
{
    out.begin_object()
        .field("log", value.log)
        .field("origin", value.key.name)
        .field("key", value.key.text())
        .field("publicKey", base64_encode(value.key.key))
        .end_object();
}

result<log_key> read_log_key(const boost::json::object& from)
{
    field_reader fields(from);
    log_key out;
    out.log = fields.name("log", limits::name_bytes_max);
    take(fields, "key", note::verifier::parse(fields.name("key", key_text_bytes_max)), out.key);
    if (fields.text("origin", key_text_bytes_max) != out.key.name)
        fields.refuse(errc::bad_request, "origin", " is not the name in the key");
    if (fields.key<32>("publicKey") != out.key.key)
        fields.refuse(errc::bad_request, "publicKey", " is not the one in the key");
    return fields.finish(std::move(out));
}

result<digest256> leaf_of(const record_object& given)
{
    const auto header = parse_record_header(given.header);
    if (!header || header->revision != given.revision)
        return fail(errc::corrupt, "the record's header is of another revision");
    if (given.body)
    {
        if (given.body->size() != header->body_bytes)
            return fail(errc::corrupt, "the record's body has not the size that its header names");
        if (hmac_sha256(given.body_key, {*given.body}) != given.body_commitment)
            return fail(errc::corrupt, "the record's body does not fit its commitment");
    }
    return merkle::leaf_hash({hmac_sha256(given.header_key, {given.header}), given.body_commitment});
}

result<record_header> check_record(const record_object& given, const checkpoint& head)
{
    const auto leaf = leaf_of(given);
    if (!leaf)
        return std::unexpected(leaf.error());
    if (!merkle::verify_inclusion(*leaf, given.index, head.size, given.path, head.root))
        return fail(errc::corrupt, "the record is not in the log that the checkpoint signs");
    return parse_record_header(given.header);
}

} // namespace consortium::protocol::v1
