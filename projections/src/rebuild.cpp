#include "consortium/projections/rebuild.hpp"
#include "consortium/projections/views.hpp"
#include "families.hpp"

namespace consortium::projections
{
namespace
{

/// Events folded between two commits of the scratch views: bounds what they hold in memory.
constexpr std::size_t events_per_commit = 4096;
constexpr std::size_t events_per_read = 256;

result<std::uint64_t> fold_events(const log::snapshot& from, log::scratch_views& into)
{
    std::uint64_t folded = 0;
    for (lsn next{1}; next <= from.head();)
    {
        const auto events = from.read(next, events_per_read);
        if (!events)
            return std::unexpected(events.error());
        if (events->empty())
            return fail(errc::corrupt, "record " + std::to_string(next.value) + " is missing");
        for (const auto& happened : *events)
        {
            rules().fold(happened, into.rows());
            if (++folded % events_per_commit == 0)
                into.commit();
        }
        next = events->back().number.next();
    }
    into.commit();
    return folded;
}

} // namespace

result<std::uint64_t> fold_log(const log::log_reader& source, log::scratch_views& into)
{
    return guarded([&] { return fold_events(*source.read(), into); });
}

result<rebuild_report> compare_rebuilt_views(const log::log_reader& source, const std::filesystem::path& scratch)
{
    return guarded(
        [&]() -> result<rebuild_report>
        {
            const auto live = source.read();
            auto rebuilt = log::open_scratch_views(scratch, source, rules());
            if (!rebuilt)
                return std::unexpected(rebuilt.error());
            const auto events = fold_events(*live, **rebuilt);
            if (!events)
                return std::unexpected(events.error());
            rebuild_report report{.events = *events, .tables = {}};
            const auto tables = rules().tables();
            for (log::table_id table = 0; table < tables.size(); ++table)
                report.tables.push_back(
                    {.table = std::string(tables[table]),
                     .live = log::table_digest(*live, table),
                     .rebuilt = log::table_digest((*rebuilt)->rows(), table)});
            return report;
        });
}

} // namespace consortium::projections
