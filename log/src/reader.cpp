#include "reader.hpp"
#include "event_codec.hpp"
#include "overlay.hpp"
#include "prover.hpp"

namespace consortium::log
{
namespace
{

class store_snapshot final : public snapshot
{
public:
    store_snapshot(std::shared_ptr<const pinned_store> at, std::shared_ptr<reading> with)
        : at_(std::move(at)), with_(std::move(with))
    {
    }

    lsn head() const override { return at_->head(); }

    result<event> read(lsn number) const override
    try
    {
        if (number.value == 0 || number > at_->head())
            return fail(errc::not_found, "lsn " + std::to_string(number.value) + " is not in the log");
        rocksdb::PinnableSlice value;
        if (!get_row(at_->store(), at_->options(), at_->store().log(), record_key(number), value))
            return fail(errc::corrupt, "lsn " + std::to_string(number.value) + " is missing");
        auto opened = open_record(*at_, *with_, number, view(value), /*check_commitments=*/false);
        if (!opened)
            return std::unexpected(opened.error());
        return std::move(opened->happened);
    }
    catch (const log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }

    result<std::vector<event>> read(lsn first, std::size_t count_max) const override
    try
    {
        std::vector<event> out;
        if (first.value == 0)
            first.value = 1;
        if (first > at_->head())
            return out;
        const auto count = std::min<std::uint64_t>(count_max, at_->head().value - first.value + 1);
        out.reserve(count);
        const std::unique_ptr<rocksdb::Iterator> records(
            at_->store().db().NewIterator(at_->options(), at_->store().log()));
        records->Seek(slice(record_key(first)));
        for (auto number = first; out.size() < count; number = number.next(), records->Next())
        {
            if (!records->Valid() && !records->status().ok())
                return std::unexpected(to_error(records->status(), "cannot read the log"));
            if (!records->Valid() || text(view(records->key())) != text(record_key(number)))
                return fail(errc::corrupt, "lsn " + std::to_string(number.value) + " is missing");
            auto opened = open_record(*at_, *with_, number, view(records->value()), /*check_commitments=*/false);
            if (!opened)
                return std::unexpected(opened.error());
            out.push_back(std::move(opened->happened));
        }
        return out;
    }
    catch (const log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }

    result<record_proof> prove(lsn number, std::uint64_t tree_size) const override
    {
        return prove_record(*at_, *with_, number, tree_size);
    }
    result<merkle::proof> prove_consistency(std::uint64_t before, std::uint64_t after) const override
    {
        return log::prove_consistency(*at_, before, after);
    }
    std::string checkpoint() const override { return sign_head(*at_, *with_); }

    std::optional<bytes> get(table_id table, byte_view key) const override
    {
        rocksdb::PinnableSlice sealed;
        if (!get_row(at_->store(), at_->options(), at_->store().view(table), key, sealed))
            return std::nullopt;
        return open_row(table, key, view(sealed));
    }

    void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = false, .open = {}}, visit);
    }
    void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        run(table, {.prefix = prefix, .from = from, .down = true, .open = {}}, visit);
    }
    byte_array<16> prf(byte_parts parts) const override { return with_->rows.prf(parts); }

private:
    bytes open_row(table_id table, byte_view key, byte_view sealed) const
    {
        auto value = with_->rows.open(table, key, sealed);
        if (!value)
            throw log_failure(value.error());
        return std::move(*value);
    }
    void run(table_id table, merged_scan scan, const visitor& visit) const
    {
        scan.open = [&](byte_view key, byte_view sealed) { return open_row(table, key, sealed); };
        const std::unique_ptr<rocksdb::Iterator> stored(
            at_->store().db().NewIterator(at_->options(), at_->store().view(table)));
        scan.run(*stored, {}, visit);
    }

    std::shared_ptr<const pinned_store> at_;
    std::shared_ptr<reading> with_;
};

} // namespace

std::unexpected<error> fail_record(lsn number, const error& why)
{
    return fail(why.code, "lsn " + std::to_string(number.value) + ": " + why.detail);
}

byte_array<8> record_key(lsn number) noexcept
{
    return big_endian(number.value);
}

result<opened_record>
open_record(const pinned_store& at, reading& with, lsn number, byte_view value, bool check_commitments)
{
    const auto record = parse_record(value);
    if (!record)
        return fail_record(number, record.error());
    const auto header = open_header(*record, with.keys->log_key(), number);
    if (!header)
        return fail_record(number, header.error());
    opened_record out{.happened = {.number = number, .header = header->header, .body = {}}, .destroyed_by = {}};
    if (check_commitments)
    {
        if (commit_header(with.keys->log_key(), header->header, header->image) != record->header_commitment)
            return fail_record(
                number, {.code = errc::corrupt, .detail = "header commitment does not fit", .retry = {}});
    }

    const auto key = with.keys->find(at, record->key);
    if (key.what == key_state::kind::destroyed)
    {
        out.destroyed_by = key.destroyed_by;
        return out;
    }
    if (key.what == key_state::kind::unknown)
        return fail_record(
            number, {.code = errc::corrupt, .detail = "its data key is missing and nothing deleted it", .retry = {}});
    const auto plain = open_body(*record, *key.key, *header);
    if (!plain)
        return fail_record(number, plain.error());
    if (check_commitments && commit_body(*key.key, header->header, *plain) != record->body_commitment)
        return fail_record(number, {.code = errc::corrupt, .detail = "body commitment does not fit", .retry = {}});
    auto body = decode_body(header->header.type, *plain);
    if (!body)
        return fail_record(number, body.error());
    out.happened.body = std::move(*body);
    return out;
}

const std::string& sign_head(const pinned_store& at, const reading& with)
{
    return at.checkpoint(
        [&](const digest256& root)
        { return sign_checkpoint({.origin = with.origin, .size = at.head().value, .root = root}, with.signer); });
}

std::unique_ptr<snapshot> make_snapshot(std::shared_ptr<const pinned_store> at, std::shared_ptr<reading> with)
{
    return std::make_unique<store_snapshot>(std::move(at), std::move(with));
}

} // namespace consortium::log
