#pragma once
#include "drivers/claude/found.hpp"

/// The MCP servers that the `.mcp.json` files of a folder name.
namespace consortium::agent::claude
{

/// What a file of servers says is asked: the servers that `content` names, or the file itself.
std::vector<brought> servers_in(const std::filesystem::path& file, std::string_view content);
/// Of the servers whose files stand in the question whether the folder is trusted: a yes to it is a yes to these.
std::vector<brought> servers_shown(const question& trust);

/// Those of `here` and of the folders above it, but for the person's own in `home`.
finding find_servers(
    const std::vector<std::string>& environment, const std::filesystem::path& here, const std::filesystem::path& home);

/// Of a server that is asked about, its name. Nothing: it is a whole file, or no server.
std::optional<std::string> server_name(const brought& each);
/// Whether it is a whole file that may name any.
bool is_file_of_servers(const brought& each);

} // namespace consortium::agent::claude
