#pragma once
#include "consortium/log/event_log.hpp"
#include "files.hpp"
#include "reader.hpp"
#include "seams.hpp"
#include "witness.hpp"

/// The opening procedure: docs/log-format.md, "Opening".
namespace consortium::log
{

struct opened_directory
{
    /// Holds the directory's lock.
    std::shared_ptr<rocks_store> store;
    std::shared_ptr<reading> with;
    head_state head;
    growing_tiles tiles;
    /// Why the tree's right edge cannot be recovered, or does not fit the newest checkpoint; only of a directory that
    /// is opened read-only.
    std::optional<error> tree_damage;
    /// Size of the newest checkpoint that was stored; 0: none.
    std::uint64_t checkpoint = 0;
    /// As found; open_directory() has not advanced it.
    witness_state witness;
    std::filesystem::path witness_path;
    /// Intact records above the witness, kept.
    std::uint64_t unwitnessed_records = 0;
    /// Torn bytes after the last intact batch, dropped.
    std::uint64_t torn_bytes = 0;

    tree_head edge() const
    {
        return {
            .number = head.number(),
            .root = head.tree.root(),
            .leaves = std::make_shared<const hash_list>(tiles.leaves())};
    }
};

/// Looks read-only first and holds what it finds against the witness; only then opens as asked. A directory that does
/// not pass is left as it is. With `read_only` nothing is ever changed. View tables that are new or damaged are broken
/// in what is opened (rocks_store::tables_to_make()): view_healer makes them.
result<opened_directory>
open_directory(const log_options& options, const domain& rules, const seams& below, store_access access);

} // namespace consortium::log
