#include "adoption.hpp"
#include "checkpoints.hpp"
#include "keyring.hpp"
#include "layout.hpp"
#include "rocks_store.hpp"
#include "root_key.hpp"
#include "tree_reader.hpp"
#include "witness.hpp"
#include <boost/json.hpp>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;

constexpr std::string_view not_mended = " Adopting does not mend that: restore the newest backup. Nothing was changed.";

std::unexpected<error> refuse(error why)
{
    why.detail += why.detail.ends_with('.') ? "" : ".";
    why.detail += not_mended;
    return std::unexpected(std::move(why));
}

std::string write_marker(const adoption& what)
{
    boost::json::object out{
        {"format", format_version}, {"log", to_string(what.after)}, {"before", to_string(what.before)}};
    out["witness"] = what.witness ? boost::json::value(what.witness->value) : boost::json::value(nullptr);
    return boost::json::serialize(out) + "\n";
}

/// Sets what an adoption that did not come to its end had found.
result<void> read_marker(const fs::path& path, adoption& out)
{
    const auto content = read_file(path, small_file_bytes_max);
    if (!content)
        return std::unexpected(content.error());
    boost::json::error_code bad;
    const auto parsed = boost::json::parse(text(*content), bad);
    const auto* object = bad ? nullptr : parsed.if_object();
    const auto id = [&](std::string_view name) -> std::optional<log_id>
    {
        const auto* value = object == nullptr ? nullptr : object->if_contains(name);
        if (value == nullptr || !value->is_string())
            return std::nullopt;
        const std::string_view written = value->get_string();
        const auto out_id = parse_uuid<log_id>(written);
        return out_id ? std::optional(*out_id) : std::nullopt;
    };
    const auto after = id("log");
    const auto before = id("before");
    if (!after || !before)
        return fail(errc::corrupt, path.string() + " is damaged");
    out.after = *after;
    out.before = *before;
    out.begun = true;
    boost::json::error_code none;
    if (const auto* lsn_then = object->if_contains("witness"); lsn_then != nullptr && !lsn_then->is_null())
        out.witness = lsn{lsn_then->to_number<std::uint64_t>(none)};
    else
        out.why = "the witness was lost";
    return {};
}

/// All records up to the head are there, and they are those the head was written over. Returns the root of the tree
/// over the first `size` of them (or all, if there are fewer).
result<digest256> check_records(const rocks_store& store, const head_state& head, lsn size)
{
    merkle::frontier tree;
    auto there = tree.root();
    const auto add = [&](const digest256& leaf)
    {
        tree.append(leaf);
        if (tree.size() == size.value)
            there = tree.root();
    };
    if (auto read = read_leaves(store, {1}, head.number(), add); !read)
        return std::unexpected(read.error());
    if (!(tree == head.tree))
        return fail(errc::corrupt, "the tree over the records is not the one the log's head tells of");
    if (store.tree_made())
        if (const auto tiles = recover_tiles(store, head.tree); !tiles)
            return std::unexpected(tiles.error());
    return there;
}

/// What of the witness concerns the adoption; errors for damage that is not the witness' own.
result<void> hold_against(const result<witness_state>& witness, const digest256& root_there, adoption& out)
{
    if (!witness)
    {
        if (witness.error() != errc::not_found && witness.error() != errc::corrupt)
            return std::unexpected(witness.error());
        out.why = witness.error().detail;
        return {};
    }
    if (witness->id != out.before)
        return fail(
            errc::corrupt,
            "relay.json belongs to log " + to_string(out.before) + ", the witness to log " + to_string(witness->id));
    out.witness = witness->head;
    if (witness->head > out.head)
        return {};
    if (witness->root != root_there)
        return fail(errc::corrupt, "the records are not those that were acknowledged: the witness has another root");
    return fail(
        errc::conflict, "the log reaches its witness (lsn " + std::to_string(witness->head.value) +
                            "): nothing is missing, and nothing is to be adopted");
}

result<void> write_adopted_head(
    const layout& names, const domain& rules, const seams& below, const head_state& seen, const adoption& what)
{
    auto store = rocks_store::open(names.database(), store_access::read_write, rules.tables(), below.env);
    if (!store)
        return std::unexpected(store.error());
    auto head = (*store)->head();
    if (!head)
        return std::unexpected(head.error());
    if (!(head->tree == seen.tree))
        return fail(errc::corrupt, "opened for writing, the log ends elsewhere than before");
    head->id = what.after;
    rocksdb::WriteBatch batch;
    write_head(batch, **store, *head);
    forget_checkpoint(batch, **store);
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = (*store)->db().Write(durable, &batch); !status.ok())
        return std::unexpected(to_error(status, "cannot write the log's head"));
    return {};
}

} // namespace

result<adoption>
adopt_log_over(const log_options& options, const domain& rules, const consent& agree, const seams& below)
try
{
    init_crypto();
    const layout names{options.directory};
    const auto lock = lock_directory(names.root);
    if (!lock)
        return std::unexpected(lock.error());

    adoption out;
    const auto id = read_description(names.description());
    if (!id)
        return refuse(id.error());
    out.before = *id;
    out.after = log_id{make_uuid_v4()};
    if (fs::exists(names.adoption()))
        if (auto read = read_marker(names.adoption(), out); !read)
            return refuse(read.error());
    const auto root = open_root_key(names.root_key(), options.master_secret);
    if (!root)
        return std::unexpected(root.error());

    const auto path = witness_path(options);
    const auto witness = read_witness(path);
    head_state head;
    digest256 root_there{};
    {
        // Read-only: opening for writing repairs, and destroys what the repair was made from.
        const auto store = rocks_store::open(names.database(), store_access::read_only, rules.tables(), below.env);
        if (!store)
            return refuse(store.error());
        auto found = (*store)->head();
        if (!found)
            return refuse(found.error());
        head = std::move(*found);
        if (head.id != out.before && !(out.begun && head.id == out.after))
            return refuse(
                {errc::corrupt,
                 "relay.json belongs to log " + to_string(out.before) + ", the database to log " + to_string(head.id),
                 {}});
        if (const auto keys = keyring::open(root->key, **store); !keys)
            return refuse(keys.error());
        const auto whole = check_records(**store, head, witness ? witness->head : lsn{});
        if (!whole)
            return refuse(whole.error());
        root_there = *whole;
    }
    out.head = head.number();
    out.time = head.time;
    if (!out.begun)
        if (auto held = hold_against(witness, root_there, out); !held)
            return held.error() == errc::conflict ? std::unexpected(held.error()) : refuse(held.error());
    if (auto agreed = agree(out); !agreed)
        return std::unexpected(agreed.error());

    // From here on nothing opens the log until all of it is done.
    if (auto begun = write_file(names.adoption(), view(write_marker(out))); !begun)
        return std::unexpected(begun.error());
    below.reached(crash_point::adoption_begun);
    if (auto written = write_adopted_head(names, rules, below, head, out); !written)
        return std::unexpected(written.error());
    below.reached(crash_point::adopted_head_written);
    if (auto made = witness_file::create(
            path, {.id = out.after,
                   .generation = witness ? witness->generation + 1 : 1,
                   .head = out.head,
                   .root = head.tree.root()});
        !made)
        return std::unexpected(made.error());
    below.reached(crash_point::adopted_witness_written);
    if (auto described = write_file(names.description(), view(describe(out.after))); !described)
        return std::unexpected(described.error());
    below.reached(crash_point::adopted_description_written);
    fs::remove(names.adoption());
    if (auto synced = sync_directory(names.root); !synced)
        return std::unexpected(synced.error());
    return out;
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}
catch (const fs::filesystem_error& failed)
{
    return fail(errc::io, failed.what());
}

result<adoption> adopt_log(const log_options& options, const domain& rules, const consent& agree)
{
    return adopt_log_over(options, rules, agree, {});
}

} // namespace consortium::log
