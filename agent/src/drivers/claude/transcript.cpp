#include "drivers/claude/transcript.hpp"
#include "base/json_access.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "drivers/claude/locate.hpp"
#include <boost/json.hpp>
#include <fstream>

namespace consortium::agent::claude
{
namespace json = boost::json;

std::filesystem::path projects_folder(const std::vector<std::string>& environment)
{
    std::filesystem::path config = environment_value(environment, "CLAUDE_CONFIG_DIR");
    if (config.empty())
        config = std::filesystem::path(environment_value(environment, "HOME")) / ".claude";
    return config / "projects";
}

bool may_be_said(std::string_view line)
{
    return line.find(R"("type":"user")") != std::string_view::npos ||
           line.find(R"("type":"assistant")") != std::string_view::npos ||
           line.find(R"("subtype":"compact_boundary")") != std::string_view::npos;
}

bool holds_a_prompt(const std::filesystem::path& transcript)
{
    std::ifstream file(transcript, std::ios::binary);
    for (std::string line; std::getline(file, line);)
    {
        if (line.find(R"("type":"user")") != std::string::npos)
            return true;
    }
    return false;
}

std::optional<std::filesystem::path>
find_transcript(const std::vector<std::string>& environment, const std::string& session_id)
{
    // How a folder is named follows from the project's in a way of Claude's own; the id is unique.
    std::error_code problem;
    for (const auto& folder : std::filesystem::directory_iterator(projects_folder(environment), problem))
    {
        auto file = folder.path() / (session_id + ".jsonl");
        std::error_code ignored;
        if (std::filesystem::is_regular_file(file, ignored))
            return file;
    }
    return std::nullopt;
}

result<std::optional<std::string>>
take_back_unanswered(const std::filesystem::path& transcript, const std::set<std::string>& uuids)
{
    std::ifstream file(transcript, std::ios::binary);
    std::optional<std::string> last;
    std::uintmax_t last_begins = 0;
    std::uintmax_t begins = 0;
    std::string line;
    for (; std::getline(file, line); begins += line.size() + 1)
    {
        if (!may_be_said(line))
            continue;
        const auto object = protocol::read_foreign_object(line);
        if (!object || flag_at(*object, "isSidechain"))
            continue;
        const auto type = text_at(*object, "type");
        if (type != "user" && type != "assistant")
            continue;
        last.reset();
        if (auto uuid = text_at(*object, "uuid"); type == "user" && uuids.contains(uuid))
        {
            last = std::move(uuid);
            last_begins = begins;
        }
    }
    if (!file.eof())
        return fail(errc::io, "cannot read " + transcript.string());
    if (!last)
        return last;
    std::error_code problem;
    std::filesystem::resize_file(transcript, last_begins, problem);
    if (problem)
        return fail(errc::io, "cannot write " + transcript.string() + ": " + problem.message());
    return last;
}

} // namespace consortium::agent::claude
