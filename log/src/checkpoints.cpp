#include "checkpoints.hpp"

namespace consortium::log
{
namespace
{

constexpr std::string_view checkpoint_key = "checkpoint";

std::string records(std::uint64_t count)
{
    return std::to_string(count) + (count == 1 ? " record" : " records");
}

} // namespace

result<std::optional<std::string>> stored_checkpoint(const rocks_store& store)
{
    std::string note;
    const auto status = store.db().Get({}, store.meta(), slice(view(checkpoint_key)), &note);
    if (status.IsNotFound())
        return std::nullopt;
    if (!status.ok())
        return std::unexpected(to_error(status, "cannot read the newest checkpoint"));
    return note;
}

result<void> store_checkpoint(const rocks_store& store, const std::string& signed_note)
{
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = store.db().Put(durable, store.meta(), slice(view(checkpoint_key)), signed_note);
        !status.ok())
        return std::unexpected(to_error(status, "cannot store a checkpoint"));
    return {};
}

void forget_checkpoint(rocksdb::WriteBatch& batch, const rocks_store& store)
{
    batch.Delete(store.meta(), slice(view(checkpoint_key)));
}

result<std::uint64_t> hold_against_checkpoint(
    const tree_reader& tree, const digest256& root_at_head, std::string_view signed_note, const note::verifier& by)
{
    const auto said = open_checkpoint(signed_note, by);
    if (!said)
        return std::unexpected(said.error());
    if (said->size > tree.size())
        return fail(
            errc::log_truncated, "the log holds " + records(tree.size()) + ", but signed a checkpoint over " +
                                     std::to_string(said->size) + ": those from lsn " +
                                     std::to_string(tree.size() + 1) + " on are missing");
    const auto root =
        said->size == tree.size() ? result<digest256>(root_at_head) : merkle::root(said->size, tree.nodes());
    if (!root)
        return std::unexpected(root.error());
    if (*root != said->root)
        return fail(
            errc::corrupt,
            "the first " + records(said->size) + " of the log are not those that it signed a checkpoint over");
    return said->size;
}

} // namespace consortium::log
