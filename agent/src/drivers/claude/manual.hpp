#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace consortium::agent::claude
{
namespace asio = boost::asio;

/// What a Claude Code program says of itself in its --help: what it does not say there is not known here either.
struct manual
{
    enum class takes
    {
        nothing,
        perhaps_one,
        one,
        many,
    };
    std::set<std::string> commands;
    std::map<std::string, takes> options; ///< under each of their names, "-r" and "--resume"
};
/// The form is that of the npm package commander.
manual read_manual(std::string_view help);
/// Asks the program itself. Empty when it does not answer in time, or in another form.
asio::awaitable<manual>
ask_manual(asio::any_io_executor executor, std::filesystem::path program, std::vector<std::string> environment);

} // namespace consortium::agent::claude
