#include "log/closed_store.hpp"
#include "log/log_fixture.hpp"
#include "reader.hpp"
#include <random>

namespace consortium::log
{
namespace
{

using namespace testing;

class tree_test : public log_fixture
{
protected:
    /// The closed log's store, as it lies there.
    std::unique_ptr<rocks_store> store()
    {
        return rocks_store::open(options.directory / "db", store_access::read_write, rules.tables(), nullptr).value();
    }
    using rows = std::map<std::string, std::string>;
    static rows stored_tiles(const rocks_store& opened)
    {
        rows out;
        const std::unique_ptr<rocksdb::Iterator> row(opened.db().NewIterator({}, opened.tree()));
        for (row->SeekToFirst(); row->Valid(); row->Next())
            out[row->key().ToString()] = row->value().ToString();
        return out;
    }
    /// What the rows must be, from the records.
    static rows expected_tiles(const rocks_store& opened)
    {
        rows out;
        growing_tiles tiles;
        merkle::frontier tree;
        const growing_tiles::sink write = [&](unsigned level, std::uint64_t index, const hash_list& hashes)
        { out[std::string(text(tile_key(level, index)))] = text(tile_bytes(hashes)); };
        const auto size = opened.head().value().number();
        EXPECT_TRUE(read_leaves(opened, {1}, size, [&](const digest256& leaf) { tiles.append(tree, leaf, write); }));
        tiles.write_grown(write);
        return out;
    }
    /// Any record and any beginning, against the newest checkpoint.
    void check_proofs()
    {
        const auto at = log->read();
        const auto head = open_checkpoint(at->checkpoint(), log->checkpoint_key()).value();
        ASSERT_EQ(head.size, at->head().value);
        std::map<std::uint64_t, digest256> roots;
        merkle::frontier tree;
        for (lsn number{1}; number <= at->head(); number = number.next())
        {
            const auto proof = at->prove(number, head.size);
            ASSERT_TRUE(proof) << proof.error().detail;
            EXPECT_TRUE(merkle::verify_inclusion(proof->leaf(), proof->index(), head.size, proof->path, head.root));
            tree.append(proof->leaf());
            roots[number.value] = tree.root();
        }
        EXPECT_EQ(tree.root(), head.root);
        std::mt19937 random(7);
        for (int i = 0; i < 300; ++i)
        {
            const auto after = std::uniform_int_distribution<std::uint64_t>(1, head.size)(random);
            const auto before = std::uniform_int_distribution<std::uint64_t>(1, after)(random);
            const auto proof = at->prove_consistency(before, after).value();
            EXPECT_TRUE(merkle::verify_consistency(before, after, roots[before], roots[after], proof));
            const auto record = at->prove(lsn{before}, after).value();
            EXPECT_TRUE(merkle::verify_inclusion(record.leaf(), record.index(), after, record.path, roots[after]));
        }
    }
};

TEST_F(tree_test, proofs_stand_while_the_log_grows_and_after_restarts)
{
    open();
    make_session();
    for (const std::uint64_t size : {100u, 255u, 256u, 257u, 511u, 512u, 700u, 1300u})
    {
        fill_up_to(size, 97);
        check_proofs();
        reopen();
        check_proofs();
    }
    log.reset();
    const auto opened = store();
    EXPECT_EQ(stored_tiles(*opened), expected_tiles(*opened));
    EXPECT_EQ(stored_tiles(*opened).size(), 5u + 1u);
}

// Goal: one snapshot's tree stays what it was while the log goes on under it.
TEST_F(tree_test, a_snapshot_proves_its_own_head)
{
    open();
    make_session();
    fill_up_to(250, 250);
    const auto early = log->read();
    fill_up_to(600, 350);
    const auto head = open_checkpoint(early->checkpoint(), log->checkpoint_key()).value();
    EXPECT_EQ(head.size, 250u);
    const auto record = early->prove(lsn{250}, 250).value();
    EXPECT_TRUE(merkle::verify_inclusion(record.leaf(), record.index(), 250, record.path, head.root));
    EXPECT_EQ(early->prove(lsn{250}, 251).error(), errc::bad_request);
}

TEST_F(tree_test, tiles_are_made_over_what_an_older_version_wrote)
{
    open();
    make_session();
    fill_up_to(700, 100);
    const auto note = log->read()->checkpoint();
    log.reset();
    forget_tree(options.directory, rules);
    {
        // Tools read it as it is.
        const auto reader = open_log_reader(options, rules).value();
        EXPECT_EQ(reader->read()->checkpoint(), note);
        EXPECT_TRUE(reader->verify(2)->findings.empty());
        EXPECT_EQ(reader->read()->prove(lsn{1}, 700).error(), errc::unavailable);
    }

    open();
    EXPECT_EQ(log->read()->checkpoint(), note);
    check_proofs();
    fill_up_to(800, 50);
    reopen();
    check_proofs();
    log.reset();
    const auto opened = store();
    EXPECT_EQ(stored_tiles(*opened), expected_tiles(*opened));
}

// Goal: an upgrade that was interrupted is begun anew, whatever it left.
TEST_F(tree_test, half_made_tiles_are_made_again)
{
    open();
    make_session();
    fill_up_to(600, 100);
    log.reset();
    write_store(
        options.directory, rules,
        [](rocks_store& opened, rocksdb::WriteBatch& batch)
        {
            batch.Delete(opened.meta(), "tree");
            batch.Delete(opened.tree(), slice(tile_key(0, 1)));
            batch.Put(opened.tree(), slice(tile_key(0, 7)), "left behind");
        });
    open();
    check_proofs();
    log.reset();
    const auto opened = store();
    EXPECT_EQ(stored_tiles(*opened), expected_tiles(*opened));
}

TEST_F(tree_test, tiles_that_were_made_and_are_gone_are_damage)
{
    open();
    make_session();
    log.reset();
    write_store(
        options.directory, rules, [](rocks_store& opened, rocksdb::WriteBatch&)
        { ASSERT_TRUE(opened.db().DropColumnFamily(opened.tree()).ok()); });
    test_sink unused;
    const auto refused = open_log_over(options, rules, unused, clock, below);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::corrupt);
    EXPECT_NE(refused.error().detail.find("column family 'tree' is missing"), std::string::npos)
        << refused.error().detail;
}

// Goal: nothing is appended to a tree whose right edge is not the one of the log's head.
TEST_F(tree_test, a_damaged_right_edge_is_refused_and_can_still_be_looked_at)
{
    open();
    make_session();
    fill_up_to(600, 100);
    log.reset();
    write_store(
        options.directory, rules,
        [](rocks_store& opened, rocksdb::WriteBatch& batch)
        {
            std::string row;
            ASSERT_TRUE(opened.db().Get({}, opened.tree(), slice(tile_key(1, 0)), &row).ok());
            row[40] = static_cast<char>(row[40] ^ 1);
            batch.Put(opened.tree(), slice(tile_key(1, 0)), row);
        });
    test_sink unused;
    const auto refused = open_log_over(options, rules, unused, clock, below);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), errc::corrupt);
    EXPECT_NE(refused.error().detail.find("do not fit the log's head"), std::string::npos) << refused.error().detail;
    const auto reader = open_log_reader(options, rules);
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->read()->head().value, 600u);
}

} // namespace
} // namespace consortium::log
