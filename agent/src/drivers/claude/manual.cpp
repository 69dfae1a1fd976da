#include "drivers/claude/manual.hpp"
#include "base/child_process.hpp"
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <ranges>

namespace consortium::agent::claude
{
namespace
{

constexpr auto answer_time = std::chrono::seconds(30); // half a second, where nothing else runs
constexpr std::size_t help_bytes_max = 256u << 10;

/// What stands before two spaces: flags and their value, or a command.
std::string_view left_column(std::string_view line)
{
    return line.substr(0, line.find("  "));
}

void read_option(std::string_view flags, manual& into)
{
    auto takes = manual::takes::nothing;
    if (flags.ends_with("...>") || flags.ends_with("...]"))
        takes = manual::takes::many;
    else if (flags.ends_with(">"))
        takes = manual::takes::one;
    else if (flags.ends_with("]"))
        takes = manual::takes::perhaps_one;
    const auto names = flags.substr(0, flags.find_first_of("<["));
    for (const auto& part : std::views::split(names, std::string_view(", ")))
    {
        std::string name(part.begin(), part.end());
        while (name.ends_with(' '))
            name.pop_back();
        into.options.emplace(std::move(name), takes);
    }
}

void read_command(std::string_view usage, manual& into)
{
    for (const auto& name : std::views::split(usage.substr(0, usage.find(' ')), '|'))
        into.commands.emplace(name.begin(), name.end());
}

} // namespace

manual read_manual(std::string_view help)
{
    manual out;
    std::string_view section;
    for (const auto& part : std::views::split(help, '\n'))
    {
        const std::string_view line(part.begin(), part.end());
        if (line.ends_with(':') && !line.starts_with(' '))
            section = line;
        if (!line.starts_with("  ") || line.starts_with("   "))
            continue; // the rest of a description
        const auto left = left_column(line.substr(2));
        if (section == "Options:" && left.starts_with('-'))
            read_option(left, out);
        else if (section == "Commands:")
            read_command(left, out);
    }
    return out;
}

asio::awaitable<manual>
ask_manual(asio::any_io_executor executor, std::filesystem::path program, std::vector<std::string> environment)
{
    auto spawned = child_process::spawn(
        executor, {.program = std::move(program),
                   .arguments = {"--help"},
                   .environment = std::move(environment),
                   .directory = std::filesystem::current_path()});
    if (!spawned)
        co_return manual();
    const std::shared_ptr<child_process> child = std::move(*spawned);
    asio::steady_timer limit(executor, answer_time);
    limit.async_wait(
        [child](const boost::system::error_code& problem)
        {
            if (!problem)
                child->signal(SIGKILL);
        });
    boost::system::error_code ended;
    child->input().close(ended);
    std::string text;
    std::array<char, 4096> room{};
    while (text.size() < help_bytes_max)
    {
        const auto size = co_await child->output().async_read_some(
            asio::buffer(room), asio::redirect_error(asio::use_awaitable, ended));
        if (ended)
            break;
        text.append(room.data(), size);
    }
    limit.cancel();
    co_return read_manual(text);
}

} // namespace consortium::agent::claude
