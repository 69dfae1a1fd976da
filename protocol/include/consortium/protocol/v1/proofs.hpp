#pragma once
#include "consortium/common/checkpoint.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/merkle.hpp"
#include "consortium/protocol/v1/json.hpp"

/// What the relay says of its log, and how a client checks it: docs/protocol.md, "Checking the log". Pure.
namespace consortium::protocol::v1
{

/// The 62 bytes that outlive a deletion (docs/log-format.md, "Records").
struct record_header
{
    std::uint16_t type = 0;
    account_id account;
    stream_id stream;
    std::uint64_t revision = 0;
    std::uint64_t seq = 0;
    std::int64_t time = 0;
    std::uint32_t body_bytes = 0;

    friend bool operator==(const record_header&, const record_header&) = default;
};
inline constexpr std::size_t record_header_bytes = 62;
/// errc::bad_request unless it has exactly that size.
result<record_header> parse_record_header(byte_view header);

/// RECORD of the contract.
struct record_object
{
    std::uint64_t revision = 0;
    std::uint64_t index = 0; ///< of its leaf
    byte_array<record_header_bytes> header{};
    byte_array<32> header_key{};
    std::optional<bytes> body; ///< empty: destroyed
    byte_array<32> body_key{}; ///< with a body
    digest256 body_commitment{};
    merkle::proof path;

    friend bool operator==(const record_object&, const record_object&) = default;
};
void write(json_writer& out, const record_object& value);
result<record_object> read_record(const boost::json::object& from);

/// `{checkpoint, record}`: with an acknowledgement and with a deletion receipt.
struct proof_object
{
    std::string checkpoint;
    record_object record;
};
void write(json_writer& out, const proof_object& value);
result<proof_object> read_proof(const boost::json::object& from);

/// Answers to GET /v1/log/checkpoint (no records) and GET /v1/log/proof.
struct log_answer
{
    std::string log;
    std::string checkpoint;
    /// From the tree the client named to the checkpoint's; empty: it named none.
    std::optional<merkle::proof> consistency;
    std::vector<record_object> records;
};
/// `with_records`: write the array, even when it is empty.
void write(json_writer& out, const log_answer& value, bool with_records);
result<log_answer> read_log_answer(const boost::json::object& from);

/// Answer to GET /v1/log/key.
struct log_key
{
    std::string log;
    note::verifier key; ///< its name is the origin
};
void write(json_writer& out, const log_key& value);
/// errc::bad_request, also when the forms of the key in it disagree.
result<log_key> read_log_key(const boost::json::object& from);

/// The leaf that the record makes. errc::corrupt: header, body and commitment do not belong together.
result<digest256> leaf_of(const record_object& given);
/// The header of a record that stands in the tree of `head`. errc::corrupt: it does not.
result<record_header> check_record(const record_object& given, const checkpoint& head);

} // namespace consortium::protocol::v1
