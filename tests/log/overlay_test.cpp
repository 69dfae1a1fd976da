#include "log/small_domain.hpp"
#include "overlay.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>

namespace consortium::log
{
namespace
{

using namespace testing;

using model = std::map<bytes, bytes>;

/// Short keys of few letters, 0xff among them: prefixes overlap and end at the end of the key space.
rc::Gen<bytes> short_key()
{
    return rc::gen::map(
        rc::gen::container<std::vector<int>>(rc::gen::elementOf(std::vector<int>{0, 1, 0x7f, 0xfe, 0xff})),
        [](const std::vector<int>& letters)
        {
            bytes out;
            for (std::size_t i = 0; i < letters.size() && i < 4; ++i)
                out.push_back(static_cast<std::uint8_t>(letters[i]));
            return out;
        });
}

const row_codec codec{key256(byte_array<32>{7})};

struct scan_store
{
    temporary_directory place;
    small_domain rules;
    std::unique_ptr<rocks_store> store =
        rocks_store::open(place.path(), store_access::create, rules.tables(), nullptr).value();

    void write(const row_overlay& rows) const
    {
        rocksdb::WriteBatch batch;
        rows.write(batch, *store, codec);
        RC_ASSERT(store->db().Write({}, &batch).ok());
    }
    model stored() const
    {
        model out;
        const std::unique_ptr<rocksdb::Iterator> rows(store->db().NewIterator({}, store->view(0)));
        for (rows->SeekToFirst(); rows->Valid(); rows->Next())
            out[to_bytes(view(rows->key()))] = codec.open(0, view(rows->key()), view(rows->value())).value();
        return out;
    }
};

/// Changes rows at random, in the overlay and in the model alike.
void scribble(row_overlay& rows, model& expected, std::uint8_t letter)
{
    for (const auto& key : *rc::gen::container<std::vector<bytes>>(short_key()))
    {
        const auto what = *rc::gen::inRange(0, 6);
        const bytes value{letter, static_cast<std::uint8_t>(what)};
        if (what == 0 && !after_prefix(key).empty())
        {
            rows.erase_prefix(0, key);
            std::erase_if(expected, [&](const auto& row) { return text(row.first).starts_with(text(key)); });
        }
        else if (what <= 2)
        {
            rows.set(0, key, std::nullopt);
            expected.erase(key);
        }
        else
        {
            rows.set(0, key, value);
            expected[key] = value;
        }
    }
}

// Goal: a scan over stored rows with newer ones laid over them sees what a map would, in both directions, from
// anywhere, and stops when told; and so does the store once they are written to it.
RC_GTEST_PROP(overlay, a_merged_scan_is_a_scan_of_the_merged_rows, ())
{
    static scan_store in;
    row_overlay stored(1);
    model expected;
    for (const auto& [key, value] : in.stored())
        stored.set(0, key, std::nullopt);
    scribble(stored, expected, 's');
    in.write(stored);
    row_overlay older(1);
    scribble(older, expected, 'o');
    row_overlay newer(1);
    scribble(newer, expected, 'n');

    auto prefix = *short_key();
    prefix.resize(std::min<std::size_t>(prefix.size(), 2));
    bytes from;
    if (*rc::gen::arbitrary<bool>())
    {
        from = prefix;
        append(from, *short_key());
    }
    const bool down = *rc::gen::arbitrary<bool>();
    const auto stop_after = *rc::gen::inRange<std::size_t>(1, 8);

    std::vector<std::pair<bytes, bytes>> wanted;
    for (const auto& row : expected)
        if (text(row.first).starts_with(text(prefix)) &&
            (from.empty() || (down ? row.first <= from : row.first >= from)))
            wanted.push_back(row);
    if (down)
        std::ranges::reverse(wanted);
    if (wanted.size() > stop_after)
        wanted.resize(stop_after);

    row_overlay::ordered laid_over;
    older.collect(0, prefix, laid_over);
    newer.collect(0, prefix, laid_over);
    std::vector<std::pair<bytes, bytes>> seen;
    {
        const std::unique_ptr<rocksdb::Iterator> rows(in.store->db().NewIterator({}, in.store->view(0)));
        const merged_scan scan{
            .prefix = prefix,
            .from = from,
            .down = down,
            .open = [](byte_view key, byte_view sealed) { return codec.open(0, key, sealed).value(); }};
        const auto read = scan.run(
            *rows, laid_over,
            [&](byte_view key, byte_view value)
            {
                seen.emplace_back(to_bytes(key), to_bytes(value));
                return seen.size() < stop_after;
            });
        RC_ASSERT(read.ok());
    }
    RC_ASSERT(seen == wanted);

    in.write(older);
    in.write(newer);
    RC_ASSERT(in.stored() == expected);
}

// Goal: of a key, exactly its prefixes cover it, in whatever order they came.
RC_GTEST_PROP(overlay, a_set_of_prefixes_covers_what_begins_with_one, ())
{
    const auto added = *rc::gen::container<std::vector<bytes>>(short_key());
    prefix_set set;
    for (const auto& prefix : added)
        set.add(prefix);
    for (const auto& key : *rc::gen::container<std::vector<bytes>>(short_key()))
    {
        const bool wanted =
            std::ranges::any_of(added, [&](const bytes& prefix) { return text(key).starts_with(text(prefix)); });
        RC_ASSERT((set.covers(key) != nullptr) == wanted);
    }
}

} // namespace
} // namespace consortium::log
