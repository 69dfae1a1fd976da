#pragma once
#include "rows.hpp"
#include <algorithm>

/// Which lsn has the n-th place in a stream: the revisions of an account, the messages of a session. A row holds the
/// lsns of 64 places, for a row costs forty bytes and an lsn beside its neighbour one or two.
namespace consortium::projections
{

/// Places count from 1.
inline row_key run_key(const byte_array<16>& stream, std::uint64_t place)
{
    return {stream, (place - 1) / run_length};
}

/// Every place before must be there.
template <class Run>
void append_to_runs(log::view_writer& rows, const byte_array<16>& stream, std::uint64_t place, lsn number)
{
    const auto key = run_key(stream, place);
    const auto index = (place - 1) % run_length;
    const auto where = static_cast<log::table_id>(Run::where);
    auto row = index > 0 ? rows.get(where, key) : std::nullopt;
    const auto end = row ? parse_run_end(Run::where, *row) : run_end{};
    if (end.count != index || end.last >= number)
        corrupt_row(Run::where, "does not end before place " + std::to_string(place));
    row_writer writer = row ? row_writer(std::move(*row)) : row_writer();
    writer(number.value - end.last.value);
    rows.put(where, key, writer.take());
}

/// Empty: nothing has that place.
template <class Run>
std::optional<lsn> find_in_runs(const log::view_reader& rows, const byte_array<16>& stream, std::uint64_t place)
{
    if (place == 0)
        return std::nullopt;
    const auto run = get_row<Run>(rows, run_key(stream, place));
    const auto index = (place - 1) % run_length;
    return run && index < run->numbers.size() ? std::optional(run->numbers[index]) : std::nullopt;
}

/// Up to `count_max` lsns from `place` on, ascending.
template <class Run>
std::vector<lsn>
runs_up(const log::view_reader& rows, const byte_array<16>& stream, std::uint64_t place, std::size_t count_max)
{
    std::vector<lsn> out;
    if (count_max == 0)
        return out;
    auto index = (place - 1) % run_length; // in the first run; those after it are read from their beginning
    auto key = run_key(stream, place);
    rows.scan(
        static_cast<log::table_id>(Run::where), stream, key,
        [&](byte_view found, byte_view value)
        {
            const auto run = parse_row<Run>(value);
            if (text(found) != text(key))
                index = 0;
            for (; index < run.numbers.size() && out.size() < count_max; ++index)
                out.push_back(run.numbers[index]);
            index = 0;
            return out.size() < count_max;
        });
    return out;
}

/// Up to `count_max` lsns from `place` (or the last, if that is below it) down.
template <class Run>
std::vector<lsn>
runs_down(const log::view_reader& rows, const byte_array<16>& stream, std::uint64_t place, std::size_t count_max)
{
    std::vector<lsn> out;
    if (count_max == 0 || place == 0)
        return out;
    const auto key = run_key(stream, place);
    const auto index = (place - 1) % run_length;
    rows.scan_down(
        static_cast<log::table_id>(Run::where), stream, key,
        [&](byte_view found, byte_view value)
        {
            const auto run = parse_row<Run>(value);
            auto left = run.numbers.size();
            if (text(found) == text(key))
                left = std::min<std::size_t>(left, index + 1);
            for (; left > 0 && out.size() < count_max; --left)
                out.push_back(run.numbers[left - 1]);
            return out.size() < count_max;
        });
    return out;
}

} // namespace consortium::projections
