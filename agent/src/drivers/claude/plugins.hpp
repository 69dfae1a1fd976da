#pragma once
#include "drivers/claude/found.hpp"

/// The plugins that a folder brings: those that lie in its `.claude/skills`, and those that its settings turn on.
namespace consortium::agent::claude
{

/// Those of `here` and of its repository, but for the person's own in `home`. A plugin of a marketplace that lies on
/// this machine is bound to all its files; of another, to where it comes from: what it brings was fetched when a person
/// installed it.
finding find_plugins(
    const std::vector<std::string>& environment, const std::filesystem::path& here, const std::filesystem::path& home);

/// Of a plugin that is asked about, NAME@MARKETPLACE.
std::optional<std::string> plugin_name(const brought& each);

} // namespace consortium::agent::claude
