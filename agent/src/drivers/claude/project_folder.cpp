#include "drivers/claude/project_folder.hpp"
#include "base/agent_limits.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/locate.hpp"

namespace consortium::agent::claude
{
namespace fs = std::filesystem;

std::vector<fs::path> project_folders(const fs::path& directory)
{
    std::vector<fs::path> out;
    std::error_code ignored;
    for (auto folder = directory;; folder = folder.parent_path())
    {
        out.push_back(folder);
        if (fs::exists(folder / ".git", ignored))
            return out;
        if (folder == folder.parent_path())
            return {directory};
    }
}

fs::path real(const fs::path& directory)
{
    std::error_code problem;
    auto out = fs::canonical(directory, problem);
    return problem ? directory : out;
}

fs::path home_of(const std::vector<std::string>& environment)
{
    return real(environment_value(environment, "HOME"));
}

std::string shown(const fs::path& path)
{
    return well_formed_utf8(path.string(), limits::path_bytes_max);
}

std::string shown_in_part(std::string_view content)
{
    auto words = well_formed_utf8(content.substr(0, limits::trust_file_bytes_max), limits::trust_file_bytes_max);
    if (content.size() > limits::trust_file_bytes_max)
        words += "\n(and " + std::to_string(content.size() - limits::trust_file_bytes_max) +
                 " bytes more, which are not shown)";
    return words;
}

} // namespace consortium::agent::claude
