#include "erasing.hpp"

namespace consortium::projections
{
namespace
{

/// Calls `visit.operator()<Row>()` for the tables whose keys have one of these shapes.
template <key_shape... Shape>
void each_table(auto&& visit)
{
    all_rows::each(
        [&]<class Row>()
        {
            if constexpr (((Row::description.key == Shape) || ...))
                visit.template operator()<Row>();
        });
}

/// Calls `visit.operator()<Row>()` for the rows that lead to a table whose keys have this shape.
template <key_shape Shape>
void each_leading_to(auto&& visit)
{
    all_rows::each(
        [&]<class Row>()
        {
            if constexpr (requires { Row::leads_to; })
                if constexpr (description_of(Row::leads_to).key == Shape)
                    visit.template operator()<Row>();
        });
}

/// Erases what the row at `key` leads to.
template <class Row>
void erase_target(log::view_writer& rows, const row_key& key)
{
    const auto row = get_row<Row>(rows, key);
    if (const auto target = row ? row->target(key.prefix()) : std::nullopt)
        rows.erase(static_cast<log::table_id>(Row::leads_to), *target);
}

/// Rows that begin with S: as many as there are messages, erased at the same cost.
void erase_session_things(log::view_writer& rows, const byte_array<16>& session)
{
    each_table<key_shape::session_thing>([&]<class Row>() { erase_prefix(rows, Row::where, session); });
}

} // namespace

void erase_session(log::view_writer& rows, const row_key& key)
{
    each_leading_to<key_shape::session_index>([&]<class Row>() { erase_target<Row>(rows, key); });
    erase_session_things(rows, key.suffix());
    each_table<key_shape::session, key_shape::session_or_machine>([&]<class Row>() { erase_row<Row>(rows, key); });
}

void erase_machine(log::view_writer& rows, const row_key& key)
{
    each_leading_to<key_shape::machine_index>([&]<class Row>() { erase_target<Row>(rows, key); });
    each_table<key_shape::machine, key_shape::session_or_machine>([&]<class Row>() { erase_row<Row>(rows, key); });
}

void erase_account(log::view_writer& rows, const byte_array<16>& account)
{
    // What does not begin with A first, as long as the rows that lead there are in place.
    scan_rows<session_row>(
        rows, account,
        [&](byte_view key, const session_row&)
        {
            erase_session_things(rows, to_array<16>(key.last(16)));
            return true;
        });
    each_leading_to<key_shape::account_index>(
        [&]<class Row>()
        {
            std::vector<row_key> targets;
            scan_rows<Row>(
                rows, account,
                [&](byte_view, const Row& row)
                {
                    if (const auto target = row.target(account))
                        targets.push_back(*target);
                    return true;
                });
            for (const auto& target : targets)
                rows.erase(static_cast<log::table_id>(Row::leads_to), target);
        });
    each_table<
        key_shape::account, key_shape::account_thing, key_shape::session, key_shape::session_index, key_shape::machine,
        key_shape::machine_index, key_shape::session_or_machine>([&]<class Row>()
                                                                 { erase_prefix(rows, Row::where, account); });
}

} // namespace consortium::projections
