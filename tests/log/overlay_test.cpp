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

struct scan_store
{
    temporary_directory place;
    small_domain rules;
    std::unique_ptr<rocks_store> store =
        rocks_store::open(place.path(), store_access::create, rules.tables(), nullptr).value();
};

// Goal: a scan over stored rows with newer ones laid over them sees what a map would, in both directions, from
// anywhere, and stops when told.
RC_GTEST_PROP(overlay, a_merged_scan_is_a_scan_of_the_merged_rows, ())
{
    static scan_store in;
    auto& db = in.store->db();
    auto* family = in.store->view(0);

    model expected;
    {
        rocksdb::WriteBatch batch;
        const std::unique_ptr<rocksdb::Iterator> old(db.NewIterator({}, family));
        for (old->SeekToFirst(); old->Valid(); old->Next())
            batch.Delete(family, old->key());
        for (const auto& key : *rc::gen::container<std::vector<bytes>>(short_key()))
        {
            const bytes value{'s'};
            batch.Put(family, slice(key), slice(value));
            expected[key] = value;
        }
        RC_ASSERT(db.Write({}, &batch).ok());
    }
    row_overlay older(1);
    row_overlay newer(1);
    for (auto* overlay : {&older, &newer})
        for (const auto& key : *rc::gen::container<std::vector<bytes>>(short_key()))
        {
            const bool erase = *rc::gen::arbitrary<bool>();
            const bytes value{overlay == &older ? std::uint8_t{'o'} : std::uint8_t{'n'}};
            overlay->set(0, key, erase ? std::nullopt : std::optional(value));
            if (erase)
                expected.erase(key);
            else
                expected[key] = value;
        }

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
    const std::unique_ptr<rocksdb::Iterator> stored(db.NewIterator({}, family));
    std::vector<std::pair<bytes, bytes>> seen;
    merged_scan{
        .prefix = prefix,
        .from = from,
        .down = down,
        .open = [](byte_view, byte_view value) { return to_bytes(value); }}
        .run(
            *stored, laid_over,
            [&](byte_view key, byte_view value)
            {
                seen.emplace_back(to_bytes(key), to_bytes(value));
                return seen.size() < stop_after;
            });
    RC_ASSERT(seen == wanted);
}

} // namespace
} // namespace consortium::log
