#include "commands/compact.hpp"
#include "closed_log.hpp"
#include "control_client.hpp"
#include <iostream>

namespace consortium::admin
{
namespace
{

result<void> compact_closed_log(const source_options& source)
{
    deaf_sink sink;
    const system_clock_source clock;
    return with_closed_log(source, sink, clock, [](log::event_log& opened) { return opened.compact(); });
}

std::uint64_t size_of(const std::filesystem::path& directory)
{
    std::uint64_t out = 0;
    std::error_code gone; // a running relay removes files
    for (std::filesystem::recursive_directory_iterator entry(directory, gone), end; !gone && entry != end;
         entry.increment(gone))
        if (const auto size = entry->file_size(gone); !gone)
            out += size;
        else
            gone.clear();
    return out;
}

} // namespace

exit_code compact(const source_options& source)
{
    const auto start = std::chrono::steady_clock::now();
    const auto database = source.data / "db";
    const auto there = check_directory(source.data);
    const auto before = there ? size_of(database) : 0;
    const auto done = there ? do_or_ask(
                                  source.data, [&] { return compact_closed_log(source); },
                                  boost::json::object{{"command", "compact"}})
                            : std::unexpected(there.error());
    if (!done)
    {
        print_error(done.error(), /*json=*/false);
        return exit_code::unreadable;
    }
    std::cout << "Everything was written out and the key ring rewritten in "
              << time_text(std::chrono::steady_clock::now() - start) << (*done ? " by the running relay" : "")
              << "; the database has " << size_text(size_of(database)) << " (before: " << size_text(before) << ").\n"
              << "No file of " << source.data.string()
              << " holds the key of anything deleted before. Copies made earlier still may.\n";
    return exit_code::sound;
}

} // namespace consortium::admin
