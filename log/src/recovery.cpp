#include "recovery.hpp"
#include "checkpoints.hpp"
#include "layout.hpp"
#include "root_key.hpp"
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;

constexpr std::string_view newer_step = ". Nothing was changed. Start the version that wrote it, or a newer one.";

/// Empty but for what file systems put there.
bool holds_nothing(const fs::path& directory)
{
    for (const auto& entry : fs::directory_iterator(directory))
        if (entry.path().filename() != "lost+found")
            return false;
    return true;
}

/// An empty directory beside a witness that knows of records is a disk that is not mounted, not a new log.
result<void> check_no_older_log(const log_options& options)
{
    const auto path = witness_path(options);
    const auto found = read_witness(path);
    if (!found && found.error() == errc::not_found)
        return {};
    if (!found)
        return fail(
            found.error().code, found.error().detail + "; the log it belongs to is not in " +
                                    options.directory.string() + ". Remove it if a new log shall begin here.");
    if (found->head.value == 0)
        return {};
    return fail(
        errc::log_truncated,
        path.string() + " says that " + lsn_range(1, found->head.value) + " were acknowledged, but " +
            options.directory.string() +
            " holds no log: is its disk mounted? Nothing was changed. To begin a new log, remove the "
            "witness.");
}

/// Makes a new log. Each step is durable before the next; relay.json comes last and says that all is there.
result<void> create_log(const log_options& options, const domain& rules, const seams& below)
{
    const layout names{options.directory};
    const auto witness = witness_path(options);
    if (auto older = check_no_older_log(options); !older)
        return older;

    const log_id id{make_uuid_v4()};
    if (auto begun = write_file(names.unfinished(), view(describe(id))); !begun)
        return begun;
    below.reached(crash_point::creation_begun);
    fs::remove_all(names.database());
    fs::create_directory(names.database());
    fs::remove(names.root_key());
    if (options.witness.empty())
        fs::remove(witness);

    const auto root = create_root_key(names.root_key(), options.master_secret);
    if (!root)
        return std::unexpected(root.error());
    below.reached(crash_point::root_key_made);
    {
        auto store = rocks_store::open(names.database(), store_access::create, rules.tables(), below.env);
        if (!store)
            return std::unexpected(store.error());
        rocksdb::WriteBatch first;
        keyring::create(*root, **store, first);
        rocks_store::write_tables(first, **store, rules.tables());
        rocks_store::write_tree_made(first, **store);
        write_head(first, **store, {.id = id, .time = 0, .tree = {}, .previous = {}});
        rocksdb::WriteOptions durable;
        durable.sync = true;
        if (const auto status = (*store)->db().Write(durable, &first); !status.ok())
            return std::unexpected(to_error(status, "cannot write the new log"));
    }
    below.reached(crash_point::database_made);
    if (auto made =
            witness_file::create(witness, {.id = id, .generation = 1, .head = {}, .root = merkle::frontier().root()});
        !made)
        return made;
    below.reached(crash_point::witness_made);
    std::error_code bad;
    fs::rename(names.unfinished(), names.description(), bad);
    if (bad)
        return fail(errc::io, "cannot rename " + names.unfinished().string() + ": " + bad.message());
    if (auto synced = sync_directory(names.root); !synced)
        return synced;
    return sync_directory(fs::absolute(names.root).parent_path());
}

/// The root of the tree over the first `size` records.
result<digest256> root_at(const rocks_store& store, const head_state& head, const growing_tiles* tiles, lsn size)
{
    if (size == head.number())
        return head.tree.root();
    if (size.value == head.previous.size())
        return head.previous.root();
    // A few batches were written while one's witness was synced, or a witness was brought back from elsewhere.
    if (tiles != nullptr)
    {
        const tree_reader tree(store, {}, head.tree.size(), std::make_shared<const hash_list>(tiles->leaves()));
        return merkle::root(size.value, tree.nodes());
    }
    merkle::frontier tree;
    auto read = read_leaves(store, {1}, size, [&](const digest256& leaf) { tree.append(leaf); });
    if (!read)
        return std::unexpected(read.error());
    return tree.root();
}

result<void> hold_against_witness(
    const rocks_store& store, const head_state& head, const growing_tiles* tiles, const witness_state& witness)
{
    if (head.id != witness.id)
        return fail(
            errc::corrupt, "the database belongs to log " + to_string(head.id) + ", the witness to log " +
                               to_string(witness.id) + "." + std::string(next_step));
    if (head.number() < witness.head)
        return fail(
            errc::log_truncated, lsn_range(head.number().value + 1, witness.head.value) +
                                     " were acknowledged and are missing: the log ends at lsn " +
                                     std::to_string(head.number().value) + "." + std::string(next_step) +
                                     std::string(last_resort));
    const auto root = root_at(store, head, tiles, witness.head);
    if (!root)
        return std::unexpected(root.error());
    if (*root != witness.root)
        return fail(
            errc::corrupt, "the records up to " + lsn_range(witness.head.value, witness.head.value) +
                               " are not those that were acknowledged: the tree over them has another root." +
                               std::string(next_step));
    return {};
}

/// RocksDB refuses, or its parts do not fit: say what was at stake.
error explain(error why, const witness_state& witness)
{
    if (why.code == errc::log_truncated)
        why.detail += "." + std::string(next_step);
    else if (why.code == errc::corrupt)
        why.detail += ". Records up to lsn " + std::to_string(witness.head.value) + " were acknowledged; some of " +
                      lsn_range(1, std::max<std::uint64_t>(witness.head.value, 1)) + " are missing or damaged." +
                      std::string(next_step);
    return why;
}

/// Whoever went back to this version from a newer one has records of that one at the end.
result<void> check_last_record(const rocks_store& store, const head_state& head, const keyring& keys)
{
    rocksdb::PinnableSlice value;
    if (head.number().value == 0 || !get_row(store, {}, store.log(), record_key(head.number()), value))
        return {};
    const auto record = parse_record(view(value));
    const auto header = record ? open_header(*record, keys.log_key(), head.number())
                               : result<opened_header>(std::unexpected(record.error()));
    // Damage is found, and named, by whoever reads the record.
    if (header || header.error() != errc::newer_version)
        return {};
    return fail(
        errc::newer_version, lsn_range(head.number().value, head.number().value) + ": " + header.error().detail);
}

struct looked_at
{
    std::shared_ptr<rocks_store> store;
    head_state head;
    growing_tiles tiles;
    std::optional<error> tree_damage;
    std::uint64_t checkpoint = 0;
    std::shared_ptr<reading> with;
};

/// The size of the newest checkpoint, 0 if there is none; an error if the log does not begin with it.
result<std::uint64_t> check_checkpoint(
    const rocks_store& store, const head_state& head, const growing_tiles& tiles, const note::verifier& signer)
try
{
    const auto note = stored_checkpoint(store);
    if (!note)
        return std::unexpected(note.error());
    if (!*note)
        return 0;
    const tree_reader tree(store, {}, head.tree.size(), std::make_shared<const hash_list>(tiles.leaves()));
    auto held = hold_against_checkpoint(tree, head.tree.root(), **note, signer);
    if (!held && held.error() == errc::bad_request)
        return fail(errc::corrupt, "the log's newest checkpoint is damaged");
    return held;
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}

/// Opens as asked and holds what is found against the witness.
result<looked_at> look(
    const fs::path& database, store_access access, const domain& rules, const seams& below,
    const witness_state& witness, const key256& root)
{
    auto store = rocks_store::open(database, access, rules.tables(), below.env);
    if (!store)
        return std::unexpected(explain(store.error(), witness));
    auto head = (*store)->head();
    if (!head)
        return std::unexpected(explain(head.error(), witness));
    auto tiles = (*store)->tree_made() ? recover_tiles(**store, head->tree) : growing_tiles();
    const bool has_tiles = (*store)->tree_made() && tiles;
    if (auto held = hold_against_witness(**store, *head, has_tiles ? &*tiles : nullptr, witness); !held)
        return std::unexpected(held.error());
    auto keys = keyring::open(root, **store);
    if (!keys)
        return std::unexpected(explain(keys.error(), witness));
    if (auto readable = check_last_record(**store, *head, **keys); !readable)
        return std::unexpected(readable.error());
    looked_at out;
    out.with = std::make_shared<reading>(std::move(*keys), head->id);
    if (!tiles)
        out.tree_damage = explain(tiles.error(), witness);
    else if ((*store)->tree_made())
    {
        const auto size = check_checkpoint(**store, *head, *tiles, out.with->verifier());
        if (size)
            out.checkpoint = *size;
        else
            out.tree_damage = explain(size.error(), witness);
    }
    if (tiles)
        out.tiles = std::move(*tiles);
    out.store = std::move(*store);
    out.head = std::move(*head);
    return out;
}

/// What an older version wrote to tables that this one does not use.
result<void> erase_retired_tables(const rocks_store& store, const domain& rules)
{
    const rocksdb::Slice first_key;
    const std::string above_all_keys(64, '\xff');
    for (const auto table : rules.retired())
    {
        // One that is broken is made anew, and has no rows then.
        const auto family = store.views()->at(table);
        if (family->broken())
            continue;
        const std::unique_ptr<rocksdb::Iterator> rows(store.db().NewIterator({}, family->handle()));
        rows->SeekToFirst();
        if (rows->status().ok() && !rows->Valid())
            continue;
        rocksdb::WriteOptions durable;
        durable.sync = true;
        if (const auto status = store.db().DeleteRange(durable, family->handle(), first_key, above_all_keys);
            !status.ok())
            return std::unexpected(to_error(status, "cannot erase a retired view table"));
        if (const auto status = store.db().CompactRange({}, family->handle(), nullptr, nullptr); !status.ok())
            spdlog::warn("the space of view table {} is not freed: {}", rules.tables()[table], status.ToString());
    }
    return {};
}

result<opened_directory>
open_existing(const log_options& options, const domain& rules, const seams& below, store_access access, unique_fd lock)
{
    const layout names{options.directory};
    if (fs::exists(names.adoption()))
        return fail(
            errc::corrupt, "to accept what is left of this log was begun and did not come to its end: run "
                           "consortium-admin witness adopt again.");
    const auto id = read_description(names.description());
    if (!id)
        return std::unexpected(id.error());
    const auto unwrapped = open_root_key(names.root_key(), options.master_secret);
    if (!unwrapped)
        return std::unexpected(unwrapped.error());
    if (unwrapped->rotation_unfinished)
        spdlog::warn(
            "a rotation of the master secret did not come to its end: the secret it should have made useless may still "
            "open the log. Run consortium-admin rekey.");
    const auto* root = &unwrapped->key;

    opened_directory out;
    out.witness_path = witness_path(options);
    const auto witness = read_witness(out.witness_path);
    if (!witness && witness.error() == errc::newer_version)
        return std::unexpected(witness.error());
    if (!witness)
        return fail(
            witness.error().code == errc::not_found ? errc::corrupt : witness.error().code,
            witness.error().detail + ": whether acknowledged records are missing cannot be told." +
                std::string(next_step) + std::string(last_resort));
    out.witness = *witness;
    if (witness->id != *id)
        return fail(
            errc::corrupt, "relay.json belongs to log " + to_string(*id) + ", the witness to log " +
                               to_string(witness->id) + "." + std::string(next_step));

    {
        // Opening for writing would repair, and destroy what the repair was made from: look first.
        auto seen = look(names.database(), store_access::read_only, rules, below, *witness, *root);
        if (!seen)
            return std::unexpected(seen.error());
        const auto starts = seen->store->read_file_starts();
        // A tool may look at a damaged log; nothing is written to one.
        if (seen->tree_damage && access != store_access::read_only)
            return std::unexpected(*seen->tree_damage);
        if (!starts && access != store_access::read_only)
            return std::unexpected(explain(starts.error(), *witness));
        out.tree_damage = std::move(seen->tree_damage);
        out.torn_bytes = seen->store->wal().torn_bytes;
        out.store = std::move(seen->store);
        out.head = std::move(seen->head);
        out.tiles = std::move(seen->tiles);
        out.checkpoint = seen->checkpoint;
        out.with = std::move(seen->with);
    }
    if (access == store_access::read_write)
    {
        const auto seen = out.store->views();
        out.store.reset();
        auto opened = look(names.database(), access, rules, below, *witness, *root);
        if (!opened)
            return std::unexpected(opened.error());
        if (opened->tree_damage)
            return std::unexpected(*opened->tree_damage);
        out.store = std::move(opened->store);
        // A compaction that began with the opening may have got past what was seen.
        for (const auto& table : *seen)
            if (table->broken())
                out.store->views()->at(table->table())->mark_broken(table->damage());
        out.head = std::move(opened->head);
        out.tiles = std::move(opened->tiles);
        out.checkpoint = opened->checkpoint;
        out.with = std::move(opened->with);
    }
    out.unwitnessed_records = out.head.number().value - witness->head.value;
    if (!out.store->tree_made() && access == store_access::read_write)
    {
        auto built = build_tiles(*out.store, out.head.tree);
        if (!built)
            return std::unexpected(explain(built.error(), *witness));
        out.tiles = std::move(*built);
    }
    // A tool may look at damaged views.
    if (access == store_access::read_only && out.store->tables_made() < rules.tables().size())
        return fail(
            errc::unavailable, "the views are of an older version: start the relay once to bring them up to date");
    if (access == store_access::read_write)
        if (auto erased = erase_retired_tables(*out.store, rules); !erased)
            return std::unexpected(erased.error());
    out.store->hold(std::move(lock));
    return out;
}

} // namespace

result<opened_directory>
open_directory(const log_options& options, const domain& rules, const seams& below, store_access access)
try
{
    init_crypto();
    const layout names{options.directory};
    const bool may_create = options.create && access == store_access::read_write;
    if (!fs::exists(names.root))
    {
        if (!may_create)
            return fail(errc::not_found, names.root.string() + " does not exist");
        // An external witness is asked before anything is made.
        if (auto older = check_no_older_log(options); !older)
            return std::unexpected(older.error());
        fs::create_directories(names.root);
        fs::permissions(names.root, fs::perms::owner_all);
    }
    auto lock = lock_directory(names.root);
    if (!lock)
        return std::unexpected(lock.error());
    if (access != store_access::read_only && on_read_only_file_system(names.root))
        return fail(
            errc::io, names.root.string() + " lies on a read-only file system. Nothing was changed. Mount it for "
                                            "writing (after looking at why it is not), or name another directory.");

    if (!fs::exists(names.description()))
    {
        const bool unfinished = fs::exists(names.unfinished());
        if (!unfinished && !holds_nothing(names.root))
            return fail(
                errc::corrupt,
                names.root.string() +
                    " is not a log's data directory (relay.json is missing) and is not empty. Nothing was "
                    "changed; name another directory, or restore relay.json from a backup.");
        if (!may_create)
            return fail(errc::not_found, names.root.string() + " holds no log");
        if (auto made = create_log(options, rules, below); !made)
            return std::unexpected(made.error());
    }
    auto opened = open_existing(options, rules, below, access, std::move(*lock));
    if (!opened && opened.error() == errc::newer_version)
        opened.error().detail += newer_step;
    return opened;
}
catch (const log_failure& failure)
{
    return std::unexpected(failure.reason);
}
catch (const fs::filesystem_error& failed)
{
    return fail(errc::io, failed.what());
}

} // namespace consortium::log
