#include "consortium/common/base64.hpp"
#include "projections/memory_log.hpp"
#include "rows.hpp"
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

template <class Row>
bytes written(const Row& row)
{
    row_writer writer;
    Row::fields(row, writer);
    return writer.take();
}

template <class Row>
void expect_strict(const Row& row)
{
    const auto good = written(row);
    EXPECT_EQ(written(parse_row<Row>(good)), good);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_THROW(parse_row<Row>(byte_view(good).first(size)), log::log_failure);
    auto longer = good;
    longer.push_back(0);
    EXPECT_THROW(parse_row<Row>(longer), log::log_failure);
    auto newer = good;
    newer[0] = 2;
    EXPECT_THROW(parse_row<Row>(newer), log::log_failure);
}

} // namespace

TEST(rows, take_nothing_but_what_was_written)
{
    expect_strict(head_row{revision{300}});
    expect_strict(account_row{lsn{1}, {}});
    expect_strict(device_row{.id = new_id<device_id>(), .kind = log::device_kind::agent, .added = {9}, .named = {9}});
    expect_strict(session_row{.id = new_id<session_id>(), .created = {1u << 20}, .has_tag = true});
    expect_strict(session_hot_row{.seq = 5, .updated_at = 1'700'000'000'000, .active = true});
    expect_strict(machine_row{.id = new_id<machine_row_id>(), .registered = {7}});
    expect_strict(active_row{new_id<account_id>(), true, {}});
    expect_strict(message_row{lsn{UINT64_MAX}});
}

TEST(rows, numbers_have_one_form)
{
    EXPECT_THROW(parse_row<message_row>(bytes{1, 0x81, 0x00}), log::log_failure);
    EXPECT_THROW(
        parse_row<message_row>(bytes{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}), log::log_failure);
    EXPECT_THROW(
        parse_row<message_row>(bytes{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}),
        log::log_failure);
    EXPECT_THROW(parse_row<active_row>(bytes(34, 2)), log::log_failure);
}

RC_GTEST_PROP(rows, every_number_comes_back, (std::uint64_t number))
{
    RC_ASSERT(parse_row<message_row>(written(message_row{lsn{number}})).number.value == number);
}

RC_GTEST_PROP(rows, any_bytes_are_a_row_or_a_failure, (const std::vector<std::uint8_t>& value))
{
    try
    {
        const auto row = parse_row<session_hot_row>(value);
        RC_ASSERT(written(row) == value);
    }
    catch (const log::log_failure& failure)
    {
        RC_ASSERT(failure.reason == errc::corrupt);
    }
}

// Goal: rows stay small enough for the bound on bytes per message (docs/view-tables.md); 40 more are the seal's.
TEST(rows, what_a_message_writes_is_small)
{
    EXPECT_LE(written(revision_row{lsn{100'000'000}}).size(), 5u);
    EXPECT_LE(written(message_row{lsn{100'000'000}}).size(), 5u);
    EXPECT_LE(written(local_id_row{10'000}).size(), 3u);
    EXPECT_LE(written(session_hot_row{.seq = 10'000, .updated_at = 1'800'000'000'000}).size(), 28u);
}

TEST(rows, are_written_as_the_document_says)
{
    session_hot_row row{.seq = 3, .updated_at = 1'700'000'000'000, .active = true, .active_at = 1'699'999'999'000};
    for (std::uint8_t i = 0; i < 16; ++i)
        row.creator.value[i] = static_cast<std::uint8_t>(0x10 + i);
    EXPECT_EQ(hex_encode(written(row)), "010380d095ffbc310198c895ffbc31101112131415161718191a1b1c1d1e1f");
}

TEST(rows, tables_have_names_of_their_own)
{
    std::set<std::string_view> names;
    for (const auto one : rules().tables())
        EXPECT_TRUE(names.insert(one).second);
    EXPECT_EQ(name(table::active), "active");
    EXPECT_EQ(name(table::session_hot), "session_hot");
}
