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

/// The smallest key above all keys with this prefix; empty: there is none.
bytes after_prefix(byte_view prefix)
{
    auto out = to_bytes(prefix);
    while (!out.empty() && out.back() == 0xff)
        out.pop_back();
    if (!out.empty())
        ++out.back();
    return out;
}

void seek(rocksdb::Iterator& stored, byte_view prefix, byte_view from, bool down)
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
        if (stored.Valid() && view(stored.key()).size() == end.size() && text(view(stored.key())) == text(end))
            stored.Prev();
    }
}

/// A cursor over the newer rows in either direction.
class newer_cursor
{
public:
    newer_cursor(const row_overlay::ordered& rows, byte_view from, bool down) : rows_(rows), down_(down)
    {
        if (!down)
            at_ = from.empty() ? rows.begin() : rows.lower_bound(from);
        else
            at_ = from.empty() ? rows.end() : rows.upper_bound(from);
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

    const row_overlay::ordered& rows_;
    bool down_;
    row_overlay::ordered::const_iterator at_;
    bool valid_ = false;
};

} // namespace

void row_overlay::set(table_id table, byte_view key, row value)
{
    auto& rows = tables_.at(table);
    if (const auto found = rows.find(key); found != rows.end())
        found->second = std::move(value);
    else
        rows.emplace(to_bytes(key), std::move(value));
}

const row_overlay::row* row_overlay::find(table_id table, byte_view key) const
{
    const auto& rows = tables_.at(table);
    const auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
}

void row_overlay::collect(table_id table, byte_view prefix, ordered& into) const
{
    for (const auto& [key, value] : tables_.at(table))
        if (begins_with(key, prefix))
            into.insert_or_assign(key, value);
}

void row_overlay::clear()
{
    for (auto& rows : tables_)
        rows.clear();
}

void merged_scan::run(
    rocksdb::Iterator& stored, const row_overlay::ordered& newer, const view_reader::visitor& visit) const
{
    newer_cursor over(newer, from, down);
    seek(stored, prefix, from, down);
    const auto step = [&] { down ? stored.Prev() : stored.Next(); };
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
            return;
    }
    if (!stored.status().ok())
        throw log_failure(to_error(stored.status(), "cannot read view rows"));
}

} // namespace consortium::log
