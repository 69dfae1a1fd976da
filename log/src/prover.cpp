#include "prover.hpp"

namespace consortium::log
{
namespace
{

std::unexpected<error> above_head(const pinned_store& at, std::uint64_t size)
{
    return fail(
        errc::bad_request,
        "the log holds " + std::to_string(at.head().value) + " records, not " + std::to_string(size));
}

} // namespace

result<record_proof> prove_record(const pinned_store& at, reading& with, lsn number, std::uint64_t tree_size)
try
{
    if (tree_size > at.head().value)
        return above_head(at, tree_size);
    if (number.value == 0 || number.value > tree_size)
        return fail(
            errc::not_found,
            "lsn " + std::to_string(number.value) + " is not among the first " + std::to_string(tree_size));
    rocksdb::PinnableSlice value;
    if (!get_row(at.store(), at.options(), at.store().log(), record_key(number), value))
        return fail(errc::corrupt, "lsn " + std::to_string(number.value) + " is missing");
    const auto record = parse_record(view(value));
    if (!record)
        return fail_record(number, record.error());
    const auto header = open_header(*record, with.keys->log_key(), number);
    if (!header)
        return fail_record(number, header.error());

    record_proof out;
    out.number = number;
    out.header = to_bytes(header->image);
    out.header_key = to_array<32>(header_key(with.keys->log_key(), header->header).view());
    out.body_commitment = record->body_commitment;
    const auto key = with.keys->find(at, record->key);
    if (key.what == key_state::kind::unknown)
        return fail(
            errc::corrupt, "lsn " + std::to_string(number.value) + ": its data key is missing and nothing deleted it");
    if (key.what == key_state::kind::present)
    {
        auto body = open_body(*record, *key.key, *header);
        if (!body)
            return fail_record(number, body.error());
        out.body = std::move(*body);
        out.body_key = to_array<32>(body_key(*key.key, header->header).view());
    }
    auto path = merkle::prove_inclusion(out.index(), tree_size, at.tree().nodes());
    if (!path)
        return std::unexpected(path.error());
    out.path = std::move(*path);
    return out;
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}

result<merkle::proof> prove_consistency(const pinned_store& at, std::uint64_t before, std::uint64_t after)
try
{
    if (after > at.head().value)
        return above_head(at, after);
    return merkle::prove_consistency(before, after, at.tree().nodes());
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}

digest256 record_proof::leaf() const
{
    const auto commitment = body && body_key ? hmac_sha256(*body_key, {*body}) : body_commitment;
    return record_leaf(hmac_sha256(header_key, {header}), commitment);
}

} // namespace consortium::log
