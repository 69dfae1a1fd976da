#include "layout.hpp"
#include "files.hpp"
#include <boost/json.hpp>

namespace consortium::log
{

std::filesystem::path witness_path(const log_options& options)
{
    return options.witness.empty() ? options.directory / "witness" : options.witness;
}

std::string lsn_range(std::uint64_t first, std::uint64_t last)
{
    return first == last ? "lsn " + std::to_string(first)
                         : "lsn " + std::to_string(first) + " to " + std::to_string(last);
}

std::string describe(const log_id& id)
{
    return boost::json::serialize(boost::json::object{{"format", format_version}, {"log", to_string(id)}}) + "\n";
}

result<log_id> read_description(const std::filesystem::path& path)
{
    const auto content = read_file(path, small_file_bytes_max);
    if (!content)
        return std::unexpected(content.error());
    boost::json::error_code bad;
    const auto parsed = boost::json::parse(text(*content), bad);
    const auto* object = bad ? nullptr : parsed.if_object();
    const auto* format = object != nullptr ? object->if_contains("format") : nullptr;
    if (format == nullptr || !format->is_int64())
        return fail(errc::corrupt, path.string() + " is damaged; restore it from a backup");
    if (format->get_int64() != format_version)
        return fail(
            errc::newer_version, path.string() + " says format " + std::to_string(format->get_int64()) +
                                     "; this version reads format " + std::to_string(format_version));
    const auto* id = object->if_contains("log");
    if (id == nullptr || !id->is_string())
        return fail(errc::corrupt, path.string() + " is damaged; restore it from a backup");
    const std::string_view written = id->get_string();
    auto out = parse_uuid<log_id>(written);
    if (!out)
        return fail(errc::corrupt, path.string() + " is damaged; restore it from a backup");
    return out;
}

} // namespace consortium::log
