#include "commands/replay.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/projections/rebuild.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <iomanip>
#include <iostream>

namespace consortium::admin
{
namespace
{

std::size_t difference_count(const projections::rebuild_report& report)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(report.tables, [](const auto& table) { return !table.equal(); }));
}

void print_json(const log::log_reader& source, const projections::rebuild_report& report)
{
    boost::json::array tables;
    for (const auto& table : report.tables)
        tables.push_back(boost::json::object{
            {"table", table.table},
            {"equal", table.equal()},
            {"live", hex_encode(table.live)},
            {"rebuilt", hex_encode(table.rebuilt)}});
    std::cout << boost::json::serialize(boost::json::object{
                     {"equal", difference_count(report) == 0},
                     {"log", to_string(source.id())},
                     {"events", report.events},
                     {"tables", std::move(tables)}})
              << "\n";
}

void print_text(const log::log_reader& source, const projections::rebuild_report& report, std::chrono::nanoseconds took)
{
    std::cout << "log     " << to_string(source.id()) << "\n"
              << "events  " << number_text(report.events) << " replayed in " << time_text(took) << "\n"
              << "tables  " << report.tables.size() << " rebuilt and compared row by row\n\n";
    const auto differences = difference_count(report);
    if (differences == 0)
    {
        std::cout << "Equal: the views say what the log says.\n";
        return;
    }
    for (const auto& table : report.tables)
        if (!table.damage.empty())
            std::cout << "  " << table.table << ": " << printable(table.damage) << "\n";
        else if (!table.equal())
            std::cout << "  " << std::left << std::setw(14) << table.table << "live "
                      << hex_encode(table.live).substr(0, 16) << "  rebuilt " << hex_encode(table.rebuilt).substr(0, 16)
                      << "\n";
    std::cout << "\nDifferent: " << count_text(differences, "table")
              << " of views. The log is the truth; nothing was changed.\n";
    const auto damaged = std::ranges::count_if(report.tables, [](const auto& table) { return !table.damage.empty(); });
    if (damaged > 0)
        std::cout << "What is damaged the relay makes anew when it needs it: there is nothing to do, but to look after "
                     "the disk.\n";
    if (static_cast<std::size_t>(damaged) < differences)
        std::cout
            << "What differs and is not damaged stays so, and what the relay answers from it may be wrong: keep a "
               "copy of the data directory, and report this with the lines above as a fault of Consortium. Then have "
               "it made anew: consortium-admin views rebuild TABLE.\n";
}

} // namespace

exit_code replay_check(const replay_options& options)
{
    const auto start = std::chrono::steady_clock::now();
    const auto source = open_source(options.source);
    const auto report =
        source ? projections::compare_rebuilt_views(**source, scratch_directory(options.source, options.scratch))
               : std::unexpected(source.error());
    if (!report)
    {
        print_error(report.error(), options.json);
        return exit_code::unreadable;
    }
    if (options.json)
        print_json(**source, *report);
    else
        print_text(**source, *report, std::chrono::steady_clock::now() - start);
    return difference_count(*report) == 0 ? exit_code::sound : exit_code::findings;
}

} // namespace consortium::admin
