#include "rows.hpp"
#include <algorithm>
#include <array>

namespace consortium::projections
{
namespace
{

constexpr auto names = []
{
    std::array<std::string_view, all_rows::descriptions.size()> out;
    std::ranges::transform(all_rows::descriptions, out.begin(), &table_description::name);
    return out;
}();

constexpr bool is_retired(const table_description& of)
{
    return of.key == key_shape::retired;
}
constexpr auto retired = []
{
    std::array<log::table_id, std::ranges::count_if(all_rows::descriptions, is_retired)> out{};
    std::size_t count = 0;
    for (log::table_id table = 0; table < all_rows::descriptions.size(); ++table)
        if (is_retired(all_rows::descriptions[table]))
            out[count++] = table;
    return out;
}();

/// The first byte of every prf input: what the rest is.
byte_array<1> label(char what)
{
    return {static_cast<std::uint8_t>(what)};
}

} // namespace

std::span<const std::string_view> table_names()
{
    return names;
}

std::span<const log::table_id> retired_tables()
{
    return retired;
}

std::string_view name(table of)
{
    return description_of(of).name;
}

row_key::row_key(const byte_array<16>& only) : size_(16)
{
    std::ranges::copy(only, data_.begin());
}

row_key::row_key(const byte_array<16>& prefix, const byte_array<16>& suffix) : size_(32)
{
    std::ranges::copy(prefix, data_.begin());
    std::ranges::copy(suffix, data_.begin() + 16);
}

row_key::row_key(const byte_array<16>& prefix, std::uint64_t number) : size_(24)
{
    std::ranges::copy(prefix, data_.begin());
    std::ranges::copy(big_endian(number), data_.begin() + 16);
}

byte_array<16> account_part(const log::view_reader& rows, account_id account)
{
    return rows.prf({label('a'), account.view()});
}

byte_array<16> session_part(const log::view_reader& rows, account_id account, session_id session)
{
    return rows.prf({label('s'), account.view(), session.view()});
}

byte_array<16> machine_part(const log::view_reader& rows, account_id account, machine_row_id machine)
{
    return rows.prf({label('m'), account.view(), machine.view()});
}

row_key account_row_key(const log::view_reader& rows, account_id account)
{
    return row_key(account_part(rows, account));
}

row_key account_index_key(const log::view_reader& rows, byte_view public_key)
{
    return row_key(rows.prf({label('p'), public_key}));
}

row_key device_row_key(const log::view_reader& rows, account_id account, device_id device)
{
    return {account_part(rows, account), rows.prf({label('d'), account.view(), device.view()})};
}

row_key device_index_key(const log::view_reader& rows, account_id account, byte_view public_key)
{
    return {account_part(rows, account), rows.prf({label('k'), account.view(), public_key})};
}

row_key invitation_row_key(const log::view_reader& rows, invitation_id invitation)
{
    return row_key(rows.prf({label('i'), invitation.view()}));
}

row_key session_row_key(const log::view_reader& rows, account_id account, session_id session)
{
    return {account_part(rows, account), session_part(rows, account, session)};
}

byte_array<16> tag_part(const log::view_reader& rows, account_id account, std::string_view tag)
{
    return rows.prf({label('t'), account.view(), view(tag)});
}

byte_array<16> local_id_part(const log::view_reader& rows, session_id session, std::string_view local_id)
{
    return rows.prf({label('l'), session.view(), view(local_id)});
}

row_key machine_row_key(const log::view_reader& rows, account_id account, machine_row_id machine)
{
    return {account_part(rows, account), machine_part(rows, account, machine)};
}

byte_array<16> machine_id_part(const log::view_reader& rows, account_id account, std::string_view machine_id)
{
    return rows.prf({label('n'), account.view(), view(machine_id)});
}

std::uint64_t number_of(byte_view key)
{
    CONSORTIUM_ASSERT(key.size() >= sizeof(std::uint64_t));
    return load_big_endian<std::uint64_t>(key.last(sizeof(std::uint64_t)));
}

void corrupt_row(table where, std::string_view what)
{
    throw log::log_failure(
        {errc::corrupt, "view table " + std::string(name(where)) + ": a row " + std::string(what), std::nullopt});
}

void corrupt_event(const log::event& happened, std::string_view what)
{
    throw log::log_failure(
        {errc::corrupt,
         "record " + std::to_string(happened.number.value) + " (" + std::string(log::name(happened.header.type)) +
             ") " + std::string(what),
         std::nullopt});
}

void row_writer::operator()(std::uint64_t number)
{
    while (number >= 0x80)
    {
        out_.push_back(static_cast<std::uint8_t>(number | 0x80));
        number >>= 7;
    }
    out_.push_back(static_cast<std::uint8_t>(number));
}

void row_writer::operator()(const std::vector<lsn>& numbers)
{
    std::uint64_t before = 0;
    for (const auto number : numbers)
    {
        CONSORTIUM_ASSERT(number.value > before);
        (*this)(number.value - before);
        before = number.value;
    }
}

row_parser::row_parser(table where, byte_view value) : where_(where), rest_(value)
{
    if (byte() != row_version)
        corrupt_row(where_, "has an unknown version");
}

std::uint8_t row_parser::byte()
{
    return take(1).front();
}

void row_parser::operator()(std::uint64_t& number)
{
    number = 0;
    for (unsigned shift = 0;; shift += 7)
    {
        const auto next = byte();
        const std::uint64_t part = next & 0x7f;
        if (shift == 63 && part > 1)
            corrupt_row(where_, "holds a number above 64 bits");
        number |= part << shift;
        if ((next & 0x80) == 0)
        {
            if (part == 0 && shift > 0)
                corrupt_row(where_, "holds a number that is not in its shortest form");
            return;
        }
        if (shift == 63)
            corrupt_row(where_, "holds a number above 64 bits");
    }
}

void row_parser::operator()(unix_millis& time)
{
    std::uint64_t number = 0;
    (*this)(number);
    time = static_cast<unix_millis>(number);
}

void row_parser::operator()(bool& flag)
{
    const auto value = byte();
    if (value > 1)
        corrupt_row(where_, "holds a flag that is neither 0 nor 1");
    flag = value == 1;
}

void row_parser::operator()(log::device_kind& kind)
{
    const auto value = byte();
    if (value < static_cast<std::uint8_t>(log::device_kind::agent) ||
        value > static_cast<std::uint8_t>(log::device_kind::unnamed))
        corrupt_row(where_, "names an unknown kind of device");
    kind = static_cast<log::device_kind>(value);
}

byte_view row_parser::take(std::size_t size)
{
    if (rest_.size() < size)
        corrupt_row(where_, "is too short");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
}

/// To the end of the row.
void row_parser::each_number(auto&& visit)
{
    std::uint64_t before = 0;
    std::uint64_t count = 0;
    for (; !rest_.empty(); ++count)
    {
        std::uint64_t distance = 0;
        (*this)(distance);
        if (distance == 0 || distance > UINT64_MAX - before)
            corrupt_row(where_, "holds numbers that do not ascend");
        before += distance;
        visit(lsn{before});
    }
    if (count == 0 || count > run_length)
        corrupt_row(where_, "holds " + std::to_string(count) + " numbers");
}

void row_parser::operator()(std::vector<lsn>& numbers)
{
    numbers.clear();
    numbers.reserve(run_length);
    each_number([&](lsn number) { numbers.push_back(number); });
}

run_end parse_run_end(table where, byte_view value)
{
    run_end out;
    row_parser parser(where, value);
    parser.each_number(
        [&](lsn number)
        {
            ++out.count;
            out.last = number;
        });
    parser.finish();
    return out;
}

void row_parser::finish()
{
    if (!rest_.empty())
        corrupt_row(where_, "is too long");
}

void erase_prefix(log::view_writer& rows, table where, byte_view prefix)
{
    rows.erase_prefix(static_cast<log::table_id>(where), prefix);
}

} // namespace consortium::projections
