#include "reader.hpp"
#include "prover.hpp"
#include "record_opener.hpp"
#include "view_rows.hpp"

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
        return record_opener(*at_, *with_).open(number, view(value));
    }
    catch (const log_failure& failure)
    {
        return std::unexpected(failure.reason);
    }

    result<std::vector<event>> read(lsn first, std::size_t count_max, std::size_t bytes_max) const override
    try
    {
        std::vector<event> out;
        if (first.value == 0)
            first.value = 1;
        if (first > at_->head())
            return out;
        const auto count = std::min<std::uint64_t>(count_max, at_->head().value - first.value + 1);
        std::size_t bytes_read = 0;
        const std::unique_ptr<rocksdb::Iterator> records(
            at_->store().db().NewIterator(at_->options(), at_->store().log()));
        record_opener opener(*at_, *with_);
        records->Seek(slice(record_key(first)));
        for (auto number = first; out.size() < count && bytes_read < bytes_max; number = number.next(), records->Next())
        {
            if (!records->Valid() && !records->status().ok())
                return std::unexpected(to_error(records->status(), "cannot read the log"));
            if (!records->Valid() || text(view(records->key())) != text(record_key(number)))
                return fail(errc::corrupt, "lsn " + std::to_string(number.value) + " is missing");
            auto opened = opener.open(number, view(records->value()));
            if (!opened)
                return std::unexpected(opened.error());
            bytes_read += opened->header.body_bytes;
            out.push_back(std::move(*opened));
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
        return get_view_row(at_->store(), at_->options(), at_->view(table), with_->rows, key);
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
    void run(table_id table, merged_scan scan, const visitor& visit) const
    {
        scan_view_rows(at_->store(), at_->options(), at_->view(table), with_->rows, std::move(scan), {}, visit);
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
