#include "overlay.hpp"
#include "rocks_store.hpp"

namespace consortium::log
{
namespace
{

bool begins_with(byte_view data, byte_view prefix) noexcept
{
    return text(data).starts_with(text(prefix));
}

/// A cursor over the newer rows in either direction.
class newer_cursor
{
public:
    using rows = std::map<bytes, row_overlay::row, bytes_less>;

    newer_cursor(const rows& of, byte_view from, bool down) : rows_(of), down_(down)
    {
        if (!down)
            at_ = from.empty() ? rows_.begin() : rows_.lower_bound(from);
        else
            at_ = from.empty() ? rows_.end() : rows_.upper_bound(from);
        if (down)
            step_down();
        else
            valid_ = at_ != rows_.end();
    }
    bool valid() const noexcept { return valid_; }
    byte_view key() const { return at_->first; }
    const row_overlay::row& row() const { return at_->second; }
    void next()
    {
        if (down_)
            step_down();
        else
            valid_ = ++at_ != rows_.end();
    }

private:
    void step_down()
    {
        valid_ = at_ != rows_.begin();
        if (valid_)
            --at_;
    }

    const rows& rows_;
    bool down_;
    rows::const_iterator at_;
    bool valid_ = false;
};

} // namespace

bytes after_prefix(byte_view prefix)
{
    auto out = to_bytes(prefix);
    while (!out.empty() && out.back() == 0xff)
        out.pop_back();
    if (!out.empty())
        ++out.back();
    return out;
}

const bytes* prefix_set::covers(byte_view key) const
{
    // Prefixes of a key are the keys nearest below it, and there is but one.
    const auto above = prefixes_.upper_bound(key);
    if (above == prefixes_.begin())
        return nullptr;
    const auto& nearest = *std::prev(above);
    return begins_with(key, nearest) ? &nearest : nullptr;
}

void prefix_set::add(byte_view prefix)
{
    if (covers(prefix) != nullptr)
        return;
    const auto first = prefixes_.lower_bound(prefix);
    auto last = first;
    while (last != prefixes_.end() && begins_with(*last, prefix))
        ++last;
    prefixes_.emplace_hint(prefixes_.erase(first, last), to_bytes(prefix));
}

void row_overlay::set(table_id table, byte_view key, row value)
{
    auto& rows = tables_.at(table).rows;
    if (const auto found = rows.find(key); found != rows.end())
        found->second = std::move(value);
    else
        rows.emplace(to_bytes(key), std::move(value));
}

void row_overlay::erase_prefix(table_id table, byte_view prefix)
{
    CONSORTIUM_ASSERT(!after_prefix(prefix).empty());
    auto& in = tables_.at(table);
    std::erase_if(in.rows, [&](const auto& row) { return begins_with(row.first, prefix); });
    in.erased.add(prefix);
}

const row_overlay::row* row_overlay::find(table_id table, byte_view key) const
{
    static const row gone;
    const auto& in = tables_.at(table);
    if (const auto found = in.rows.find(key); found != in.rows.end())
        return &found->second;
    return in.erased.covers(key) != nullptr ? &gone : nullptr;
}

void row_overlay::collect(table_id table, byte_view prefix, ordered& into) const
{
    const auto& in = tables_.at(table);
    for (const auto& erased : in.erased)
        if (begins_with(erased, prefix) || begins_with(prefix, erased))
        {
            std::erase_if(into.rows, [&](const auto& row) { return begins_with(row.first, erased); });
            into.erased.add(erased);
        }
    for (const auto& [key, value] : in.rows)
        if (begins_with(key, prefix))
            into.rows.insert_or_assign(key, value);
}

void row_overlay::write(rocksdb::WriteBatch& batch, const rocks_store& store, const row_codec& codec) const
{
    for (table_id table = 0; table < tables_.size(); ++table)
        write(batch, table, store, codec);
}

void row_overlay::write(
    rocksdb::WriteBatch& batch, table_id table, const rocks_store& store, const row_codec& codec) const
{
    auto* family = store.view(table);
    // It is made from the log, these rows as well.
    if (family == nullptr)
        return;
    write_erased(batch, table, store);
    bytes sealed;
    for (const auto& [key, value] : tables_[table].rows)
        if (!value)
            batch.Delete(family, slice(key));
        else
        {
            codec.seal(sealed, table, key, *value);
            batch.Put(family, slice(key), slice(sealed));
        }
}

void row_overlay::write_erased(rocksdb::WriteBatch& batch, table_id table, const rocks_store& store) const
{
    for (const auto& prefix : tables_[table].erased)
        batch.DeleteRange(store.view(table), slice(prefix), slice(after_prefix(prefix)));
}

void row_overlay::clear()
{
    for (auto& in : tables_)
    {
        in.rows.clear();
        in.erased.clear();
    }
}

void merged_scan::seek(rocksdb::Iterator& stored) const
{
    if (!down)
        stored.Seek(slice(from.empty() ? prefix : from));
    else if (!from.empty())
        stored.SeekForPrev(slice(from));
    else if (const auto end = after_prefix(prefix); end.empty())
        stored.SeekToLast();
    else
    {
        stored.SeekForPrev(slice(end));
        if (stored.Valid() && text(view(stored.key())) == text(end))
            stored.Prev();
    }
}

/// Over whole prefixes at once: a million rows may lie under one.
void merged_scan::skip_erased(rocksdb::Iterator& stored, const prefix_set& erased) const
{
    while (stored.Valid())
    {
        const auto* gone = erased.covers(view(stored.key()));
        if (gone == nullptr)
            return;
        if (!down)
        {
            stored.Seek(slice(after_prefix(*gone)));
            continue;
        }
        stored.SeekForPrev(slice(*gone));
        if (stored.Valid() && text(view(stored.key())) == text(*gone))
            stored.Prev();
    }
}

rocksdb::Status
merged_scan::run(rocksdb::Iterator& stored, const row_overlay::ordered& newer, const view_reader::visitor& visit) const
{
    newer_cursor over(newer.rows, from, down);
    seek(stored);
    skip_erased(stored, newer.erased);
    const auto step = [&]
    {
        down ? stored.Prev() : stored.Next();
        skip_erased(stored, newer.erased);
    };
    const auto stored_here = [&] { return stored.Valid() && begins_with(view(stored.key()), prefix); };
    while (over.valid() || stored_here())
    {
        bool take_newer = over.valid();
        if (over.valid() && stored_here())
        {
            const auto order = text(over.key()).compare(text(view(stored.key())));
            take_newer = order == 0 || (down ? order > 0 : order < 0);
            if (order == 0)
                step(); // the newer row hides the stored one
        }
        bool more = true;
        if (!take_newer)
        {
            more = visit(view(stored.key()), open(view(stored.key()), view(stored.value())));
            step();
        }
        else
        {
            if (over.row())
                more = visit(over.key(), *over.row());
            over.next();
        }
        if (!more)
            return rocksdb::Status::OK();
    }
    return stored.status();
}

} // namespace consortium::log
