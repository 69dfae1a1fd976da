#include "log/small_domain.hpp"
#include "scratch_views.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <random>

namespace consortium::log
{
namespace
{

using rows = std::map<bytes, bytes>;

rows all_rows(const view_reader& from, table_id table, byte_view prefix = {})
{
    rows out;
    from.scan(
        table, prefix, {},
        [&](byte_view key, byte_view value)
        {
            out.emplace(to_bytes(key), to_bytes(value));
            return true;
        });
    return out;
}

// Goal: whatever is put and erased, a row at a time or by prefix, over commits large enough to become files of their
// own and small ones, reads as in a map.
TEST(scratch_views, read_as_what_was_put_over_small_and_large_commits)
{
    const testing::temporary_directory place;
    const testing::small_domain rules;
    const row_codec codec(key256::random());
    auto views = make_scratch_views(place.path() / "scratch", codec, rules).value();
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto key_of = [](std::uint32_t group, std::uint32_t number)
    { return testing::joined({big_endian(group), big_endian(number)}); };

    std::vector<rows> expected(rules.tables().size());
    for (const std::size_t changes : {10u, 5000u, 20u, 6000u, 3000u, 1u})
    {
        for (std::size_t i = 0; i < changes; ++i)
        {
            const table_id table = random() % expected.size();
            auto& model = expected[table];
            const auto key = key_of(random() % 8, random() % 4000);
            switch (const auto choice = random() % 1000; choice)
            {
            case 0:
            {
                const auto prefix = to_bytes(byte_view(key).first(4));
                views->rows().erase_prefix(table, prefix);
                std::erase_if(model, [&](const auto& row) { return text(row.first).starts_with(text(prefix)); });
                break;
            }
            default:
                if (choice % 5 == 0)
                {
                    views->rows().erase(table, key);
                    model.erase(key);
                }
                else
                {
                    auto value = to_bytes(big_endian(static_cast<std::uint32_t>(random())));
                    model[key] = value;
                    views->rows().put(table, key, std::move(value));
                }
            }
        }
        // While the rows of this commit are written by another thread, they read as they are.
        views->commit();
        for (std::uint32_t number = 0; number < 4000; number += 37)
        {
            const auto key = key_of(number % 8, number);
            const auto found = expected[1].find(key);
            EXPECT_EQ(
                views->rows().get(1, key), found == expected[1].end() ? std::nullopt : std::optional(found->second));
        }
    }
    views->finish();
    for (table_id table = 0; table < expected.size(); ++table)
    {
        EXPECT_EQ(all_rows(views->rows(), table), expected[table]);
        rows group;
        std::ranges::copy_if(
            expected[table], std::inserter(group, group.end()),
            [&](const auto& row) { return text(row.first).starts_with(text(key_of(3, 0)).substr(0, 4)); });
        EXPECT_EQ(all_rows(views->rows(), table, byte_view(key_of(3, 0)).first(4)), group);
    }
}

} // namespace
} // namespace consortium::log
