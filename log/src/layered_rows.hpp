#pragma once
#include "lru.hpp"
#include "overlay.hpp"
#include "prf_memo.hpp"
#include "reader.hpp"
#include <vector>

namespace consortium::log
{

/// Rows as the command that is decided must see them: of the store, below those of the batch in flight, below those of
/// the batch that is built, which takes what is written. Not thread-safe; may be read while the store is written.
class layered_rows final : public view_writer
{
public:
    layered_rows(std::shared_ptr<rocks_store> store, std::shared_ptr<reading> with, std::size_t table_count);

    /// nullptr: no batch is in flight. Both must outlive their time here.
    void lay(row_overlay* building, row_overlay* in_flight);
    /// The rows of the batch in flight have reached the store: they are no layer any more, and copies at hand of what
    /// they replace become theirs. Moves values out of them.
    void absorb();

    /// Tables of the store were made anew: reads them where they lie now.
    void look_again();

    /// Throw view_failure while the table is broken.
    std::optional<bytes> get(table_id table, byte_view key) const override;
    void scan(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override;
    void scan_down(table_id table, byte_view prefix, byte_view from, const visitor& visit) const override;
    byte_array<16> prf(byte_parts parts) const override;

    void put(table_id table, byte_view key, bytes value) override;
    void erase(table_id table, byte_view key) override;
    void erase_prefix(table_id table, byte_view prefix) override;

private:
    void run(table_id table, merged_scan scan, const visitor& visit) const;

    std::shared_ptr<rocks_store> store_;
    std::shared_ptr<reading> with_;
    std::shared_ptr<const view_set> views_;
    row_overlay* building_ = nullptr;
    row_overlay* in_flight_ = nullptr;
    mutable prf_memo names_;
    mutable std::vector<lru<bytes, bytes, bytes_hash, bytes_equal>> cached_; ///< rows of the store, a table each
};

} // namespace consortium::log
