#include "layered_rows.hpp"
#include "view_rows.hpp"

namespace consortium::log
{
namespace
{

constexpr std::size_t cached_bytes_max = 8 << 20; ///< for each table

/// What a cached row costs, roughly: its bytes (the key twice) and the nodes that hold it.
std::size_t weight(byte_view key, byte_view value)
{
    return 160 + 2 * key.size() + value.size();
}

} // namespace

layered_rows::layered_rows(std::shared_ptr<rocks_store> store, std::shared_ptr<reading> with, std::size_t table_count)
    : store_(std::move(store)), with_(std::move(with)), views_(store_->views()), names_(with_->rows)
{
    for (std::size_t i = 0; i < table_count; ++i)
        cached_.emplace_back(cached_bytes_max);
}

void layered_rows::look_again()
{
    const auto before = std::exchange(views_, store_->views());
    for (table_id table = 0; table < views_->size(); ++table)
        if ((*views_)[table] != (*before)[table])
            cached_[table].erase_if([](const bytes&) { return true; });
}

void layered_rows::lay(row_overlay* building, row_overlay* in_flight)
{
    building_ = building;
    in_flight_ = in_flight;
}

void layered_rows::absorb()
{
    auto* const durable = std::exchange(in_flight_, nullptr);
    if (durable == nullptr)
        return;
    for (table_id table = 0; table < cached_.size(); ++table)
    {
        auto& cached = cached_[table];
        auto& newer = durable->tables()[table];
        if (!newer.erased.empty())
            cached.erase_if([&](const bytes& key) { return newer.erased.covers(key) != nullptr; });
        for (auto& [key, value] : newer.rows)
        {
            if (cached.find(key) == nullptr)
                continue;
            if (value)
            {
                const auto cost = weight(key, *value);
                cached.put(key, std::move(*value), cost);
            }
            else
                cached.erase(key);
        }
    }
}

std::optional<bytes> layered_rows::get(table_id table, byte_view key) const
{
    // Rows at hand would do, but what cannot be folded from the store must not be folded from luck.
    auto& family = *(*views_)[table];
    family.check();
    if (const auto* row = building_->find(table, key))
        return *row;
    if (in_flight_ != nullptr)
        if (const auto* row = in_flight_->find(table, key))
            return *row;
    if (const auto* value = cached_[table].find(key))
        return *value;
    auto value = get_view_row(*store_, {}, family, with_->rows, key);
    if (value)
        cached_[table].put(to_bytes(key), *value, weight(key, *value));
    return value;
}

void layered_rows::scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const
{
    run(table, {.prefix = prefix, .from = from, .down = false, .open = {}}, visit);
}

void layered_rows::scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const
{
    run(table, {.prefix = prefix, .from = from, .down = true, .open = {}}, visit);
}

byte_array<16> layered_rows::prf(byte_parts parts) const
{
    return names_(parts);
}

void layered_rows::put(table_id table, byte_view key, bytes value)
{
    building_->set(table, key, std::move(value));
}

void layered_rows::erase(table_id table, byte_view key)
{
    building_->set(table, key, std::nullopt);
}

void layered_rows::erase_prefix(table_id table, byte_view prefix)
{
    building_->erase_prefix(table, prefix);
}

void layered_rows::run(table_id table, merged_scan scan, const visitor& visit) const
{
    row_overlay::ordered newer;
    if (in_flight_ != nullptr)
        in_flight_->collect(table, scan.prefix, newer);
    building_->collect(table, scan.prefix, newer);
    scan_view_rows(*store_, {}, *(*views_)[table], with_->rows, std::move(scan), newer, visit);
}

} // namespace consortium::log
