#include "consortium/common/base64.hpp"
#include "projections/memory_log.hpp"
#include "runs.hpp"
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
    expect_strict(totals_row{.last = revision{300}, .bytes = UINT64_MAX, .sessions = 1, .machines = 2, .devices = 3});
    expect_strict(invitation_row{new_id<account_id>()});
    expect_strict(session_lease_row{.epoch = revision{300}});
    expect_strict(invitation_of_row{.id = new_id<invitation_id>(), .expires = 1'700'000'000'000});
    expect_strict(account_row{lsn{1}, {}});
    expect_strict(device_row{.id = new_id<device_id>(), .kind = log::device_kind::agent, .added = {9}, .named = {9}});
    expect_strict(session_row{.id = new_id<session_id>(), .created = {1u << 20}, .has_tag = true});
    expect_strict(session_hot_row{.seq = 5, .updated_at = 1'700'000'000'000, .active = true});
    expect_strict(machine_row{.id = new_id<machine_row_id>(), .registered = {7}});
    expect_strict(active_row{new_id<account_id>(), true, {}});
    expect_strict(message_run{{lsn{UINT64_MAX}}});
    expect_strict(local_id_row{UINT64_MAX});
}

TEST(rows, numbers_have_one_form)
{
    EXPECT_THROW(parse_row<local_id_row>(bytes{1, 0x81, 0x00}), log::log_failure);
    EXPECT_THROW(
        parse_row<local_id_row>(bytes{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}),
        log::log_failure);
    EXPECT_THROW(
        parse_row<local_id_row>(bytes{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}),
        log::log_failure);
    EXPECT_THROW(parse_row<active_row>(bytes(34, 2)), log::log_failure);
}

RC_GTEST_PROP(rows, every_number_comes_back, (std::uint64_t number))
{
    RC_ASSERT(parse_row<local_id_row>(written(local_id_row{number})).seq == number);
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
    revision_run run;
    for (std::uint64_t i = 0; i < run_length; ++i)
        run.numbers.push_back({100'000'000 + 100 * i});
    EXPECT_LE(written(run).size(), 5 + run_length - 1);
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

TEST(rows, runs_hold_distances)
{
    EXPECT_EQ(hex_encode(written(message_run{{{300}, {301}, {429}}})), "01ac02018001");
    const auto parsed = parse_row<message_run>(hex_decode("01ac02018001").value()).numbers;
    EXPECT_EQ(parsed, (std::vector<lsn>{{300}, {301}, {429}}));
    for (const auto* bad : {"01", "0100", "01ac0200", "01ffffffffffffffffff0101"})
        EXPECT_THROW(parse_row<message_run>(hex_decode(bad).value()), log::log_failure) << bad;
    EXPECT_THROW(parse_row<message_run>(bytes(1 + run_length + 1, 1)), log::log_failure);
    EXPECT_EQ(parse_row<message_run>(bytes(1 + run_length, 1)).numbers.size(), run_length);
}

// Goal: streams of any length are read from any place in both directions as a list would be.
RC_GTEST_PROP(rows, runs_are_a_list_of_lsns, (std::uint8_t stream_number))
{
    memory_views rows;
    byte_array<16> stream{};
    stream[15] = stream_number;
    auto other = stream;
    other[0] = 1;
    const auto size = *rc::gen::inRange<std::uint64_t>(0, 200);
    std::vector<lsn> list;
    for (std::uint64_t place = 1; place <= size; ++place)
    {
        const auto before = list.empty() ? 0 : list.back().value;
        list.push_back({before + 1 + *rc::gen::inRange<std::uint64_t>(0, 1000)});
        append_to_runs<message_run>(rows, stream, place, list.back());
        append_to_runs<message_run>(rows, other, place, {place});
    }
    const auto from = *rc::gen::inRange<std::uint64_t>(1, 300);
    const auto count = *rc::gen::inRange<std::size_t>(0, 150);
    std::vector<lsn> up;
    for (auto place = from; place <= size && up.size() < count; ++place)
        up.push_back(list[place - 1]);
    RC_ASSERT(runs_up<message_run>(rows, stream, from, count) == up);
    std::vector<lsn> down;
    for (auto place = std::min(from, size); place > 0 && down.size() < count; --place)
        down.push_back(list[place - 1]);
    RC_ASSERT(runs_down<message_run>(rows, stream, from, count) == down);
    RC_ASSERT(
        find_in_runs<message_run>(rows, stream, from) == (from <= size ? std::optional(list[from - 1]) : std::nullopt));
    RC_ASSERT(!find_in_runs<message_run>(rows, stream, 0));
    RC_ASSERT(runs_down<message_run>(rows, stream, UINT64_MAX, SIZE_MAX).size() == size);
    RC_ASSERT(runs_up<message_run>(rows, stream, UINT64_MAX, SIZE_MAX).empty());
}

// A fold that missed something must not go on.
TEST(rows, a_run_takes_only_the_next_place)
{
    memory_views rows;
    const byte_array<16> stream{};
    append_to_runs<message_run>(rows, stream, 1, {5});
    EXPECT_THROW(append_to_runs<message_run>(rows, stream, 3, {6}), log::log_failure);
    EXPECT_THROW(append_to_runs<message_run>(rows, stream, 2, {5}), log::log_failure);
    append_to_runs<message_run>(rows, stream, 2, {6});
}

TEST(rows, tables_have_names_of_their_own)
{
    std::set<std::string_view> names;
    for (const auto one : rules().tables())
        EXPECT_TRUE(names.insert(one).second);
    EXPECT_EQ(name(table::active), "active");
    EXPECT_EQ(name(table::session_hot), "session_hot");
}
