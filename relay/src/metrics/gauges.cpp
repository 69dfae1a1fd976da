#include "metrics/gauges.hpp"
#include "readiness.hpp"
#include "services.hpp"

namespace consortium::relay
{

std::uint64_t bytes_of_files(const std::filesystem::path& directory)
{
    namespace fs = std::filesystem;
    std::uint64_t out = 0;
    std::error_code ec;
    for (fs::recursive_directory_iterator at(directory, ec); !ec && at != fs::recursive_directory_iterator();
         at.increment(ec))
    {
        std::error_code gone;
        const auto size = at->is_regular_file(gone) ? at->file_size(gone) : 0;
        if (!gone)
            out += size;
    }
    return out;
}

gauges read_gauges(const services& shared, const net::http_server& server)
{
    const auto waiting = shared.commits.load_now();
    std::error_code unknown;
    const auto disk = std::filesystem::space(shared.settings.data, unknown);
    return {
        .ready = shared.ready.check().has_value(),
        .connections = server.connection_count(),
        .commands_waiting = waiting.commands,
        .fan_out_bytes_waiting = waiting.inbox_bytes,
        .records = shared.log.read()->head().value,
        .log_bytes = bytes_of_files(shared.settings.data),
        .disk_free_bytes = unknown ? 0 : disk.available,
        .disk_floor_bytes = shared.settings.disk_free_floor_bytes,
        .view_rebuilds = shared.log.view_rebuilds(),
        .mirror = std::nullopt,
        .process = read_process_figures()};
}

} // namespace consortium::relay
