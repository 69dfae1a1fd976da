#include "source.hpp"
#include "consortium/projections/views.hpp"
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace consortium::admin
{
namespace
{

constexpr std::size_t secret_bytes_max = 4096;

result<std::string> read_secret(const std::filesystem::path& path)
{
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::string secret(secret_bytes_max + 1, '\0');
    if (!file || std::filesystem::is_directory(path))
        return fail_errno("cannot read " + path.string(), file ? EISDIR : errno);
    file.read(secret.data(), static_cast<std::streamsize>(secret.size()));
    if (file.bad())
        return fail_errno("cannot read " + path.string(), errno);
    secret.resize(static_cast<std::size_t>(file.gcount()));
    if (secret.size() > secret_bytes_max)
        return fail(errc::too_large, path.string() + " is too large to be a master secret");
    return secret;
}

result<std::string> find_secret(const source_options& options)
{
    if (!options.secret_file.empty())
        return read_secret(options.secret_file);
    if (const auto* given = std::getenv("CONSORTIUM_MASTER_SECRET"); given != nullptr && *given != '\0')
        return std::string(given);
    const auto usual = beside(options.data, ".secret");
    std::error_code ignored;
    if (!std::filesystem::exists(usual, ignored))
        return fail(
            errc::not_found, "no master secret: " + usual.string() +
                                 " does not exist. Set CONSORTIUM_MASTER_SECRET, or name its file with --secret-file.");
    return read_secret(usual);
}

} // namespace

std::filesystem::path beside(const std::filesystem::path& directory, std::string_view suffix)
{
    auto name = std::filesystem::absolute(directory).lexically_normal();
    if (!name.has_filename())
        name = name.parent_path();
    name += suffix;
    return name;
}

result<std::unique_ptr<log::log_reader>> open_source(const source_options& options)
{
    std::error_code ignored;
    if (!std::filesystem::is_directory(options.data, ignored))
        return fail(errc::not_found, options.data.string() + " is not a directory");
    auto secret = find_secret(options);
    if (!secret)
        return std::unexpected(secret.error());
    log::log_options wanted;
    wanted.directory = options.data;
    wanted.witness = options.witness;
    wanted.master_secret = std::move(*secret);
    wanted.create = false;
    auto opened = log::open_log_reader(wanted, projections::rules());
    if (!opened && opened.error() == errc::locked)
        return fail(
            errc::locked, options.data.string() + " is in use: a relay runs on it. Stop the relay, then try again.");
    return opened;
}

} // namespace consortium::admin
