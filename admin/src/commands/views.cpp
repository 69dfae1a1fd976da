#include "commands/views.hpp"
#include "closed_log.hpp"
#include "consortium/common/printable.hpp"
#include "control_client.hpp"
#include <iostream>

namespace consortium::admin
{
namespace
{

result<boost::json::object> rebuild_in_closed_log(const views_options& options)
{
    deaf_sink sink;
    const system_clock_source clock;
    const auto table = options.table.empty() ? std::nullopt : std::optional<std::string_view>(options.table);
    const auto made = with_closed_log(
        options.source, sink, clock, [&](log::event_log& opened) { return opened.rebuild_views(table); });
    if (!made)
        return std::unexpected(made.error());
    return boost::json::object{{"tables", *made}};
}

} // namespace

exit_code rebuild_views(const views_options& options)
{
    const auto start = std::chrono::steady_clock::now();
    boost::json::object command{{"command", "views-rebuild"}, {"table", nullptr}};
    if (!options.table.empty())
        command["table"] = options.table;
    const auto there = check_directory(options.source.data);
    const auto done = there ? answer_or_ask(
                                  options.source.data, [&] { return rebuild_in_closed_log(options); }, command)
                            : std::unexpected(there.error());
    if (!done)
    {
        print_error(done.error(), /*json=*/false);
        return exit_code::unreadable;
    }
    const auto* count = done->if_contains("tables");
    boost::system::error_code none;
    std::cout << (options.table.empty()
                      ? count_text(count == nullptr ? 0 : count->to_number<std::uint64_t>(none), "view table") + " were"
                      : "View table '" + printable(options.table) + "' was")
              << " made anew from the log in " << time_text(std::chrono::steady_clock::now() - start)
              << (done->contains("ok") ? " by the running relay.\n" : ".\n");
    return exit_code::sound;
}

} // namespace consortium::admin
