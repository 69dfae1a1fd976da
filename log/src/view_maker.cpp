#include "view_maker.hpp"
#include "limits.hpp"
#include "overlay.hpp"

namespace consortium::log
{
namespace
{

/// Events folded between two commits of the scratch views: bounds what they hold in memory.
constexpr std::uint64_t events_per_commit = 8192;

} // namespace

/// Rows go to the scratch views and, sealed, to the tables that are made.
class view_maker::both final : public view_writer
{
public:
    explicit both(view_maker& owner) : owner_(owner), scratch_(owner.scratch_->rows()) {}

    std::optional<bytes> get(table_id table, byte_view key) const override { return scratch_.get(table, key); }
    void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        scratch_.scan(table, prefix, from, visit);
    }
    void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        scratch_.scan_down(table, prefix, from, visit);
    }
    byte_array<16> prf(byte_parts parts) const override { return scratch_.prf(parts); }

    void put(table_id table, byte_view key, bytes value) override
    {
        if (auto* family = owner_.handles_[table])
        {
            owner_.parts_.with.rows.seal(owner_.sealed_, table, key, value);
            owner_.batch_.Put(family, slice(key), slice(owner_.sealed_));
        }
        scratch_.put(table, key, std::move(value));
    }
    void erase(table_id table, byte_view key) override
    {
        if (auto* family = owner_.handles_[table])
            owner_.batch_.Delete(family, slice(key));
        scratch_.erase(table, key);
    }
    void erase_prefix(table_id table, byte_view prefix) override
    {
        if (auto* family = owner_.handles_[table])
            owner_.batch_.DeleteRange(family, slice(prefix), slice(after_prefix(prefix)));
        scratch_.erase_prefix(table, prefix);
    }

private:
    view_maker& owner_;
    view_writer& scratch_;
};

view_maker::view_maker(parts wanted) : parts_(std::move(wanted)), handles_(parts_.rules.tables().size())
{
    std::error_code bad;
    std::filesystem::remove_all(parts_.scratch, bad);
    auto scratch = make_scratch_views(parts_.scratch, parts_.with.rows, parts_.rules);
    if (!scratch)
        throw log_failure(scratch.error());
    scratch_ = std::move(*scratch);
    for (const auto table : parts_.tables)
    {
        auto made = parts_.store.begin_view(table);
        if (!made)
            throw log_failure(made.error());
        handles_.at(table) = (*made)->handle();
        made_.push_back(std::move(*made));
    }
}

void view_maker::fold(const event& happened)
{
    if (copied_)
    {
        both rows(*this);
        parts_.rules.fold(happened, rows);
        write_if_large();
    }
    else
        parts_.rules.fold(happened, scratch_->rows());
    if (++uncommitted_ < events_per_commit)
        return;
    scratch_->commit();
    uncommitted_ = 0;
}

void view_maker::copy_rows()
{
    scratch_->finish();
    uncommitted_ = 0;
    for (const auto table : parts_.tables)
        scratch_->rows().scan(
            table, {}, {},
            [&](byte_view key, byte_view value)
            {
                parts_.with.rows.seal(sealed_, table, key, value);
                batch_.Put(handles_[table], slice(key), slice(sealed_));
                write_if_large();
                return true;
            });
    copied_ = true;
}

void view_maker::finish()
{
    CONSORTIUM_ASSERT(copied_);
    rocks_store::write_tables(batch_, parts_.store, parts_.rules.tables());
    parts_.store.write_making(batch_, {});
    write(/*sync=*/true);
    parts_.store.install_views(made_);
}

void view_maker::write_if_large()
{
    if (batch_.GetDataSize() > limits::batch_bytes_max)
        write(/*sync=*/false);
}

void view_maker::write(bool sync)
{
    rocksdb::WriteOptions options;
    options.sync = sync;
    if (const auto status = parts_.store.db().Write(options, &batch_); !status.ok())
        throw log_failure(to_error(status, "cannot write view tables that are made anew"));
    batch_.Clear();
}

} // namespace consortium::log
