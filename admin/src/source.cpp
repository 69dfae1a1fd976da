#include "source.hpp"
#include "consortium/projections/views.hpp"
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace consortium::admin
{
namespace
{

constexpr std::size_t secret_bytes_max = 4096;

} // namespace

std::filesystem::path beside(const std::filesystem::path& directory, std::string_view suffix)
{
    auto name = std::filesystem::absolute(directory).lexically_normal();
    if (!name.has_filename())
        name = name.parent_path();
    name += suffix;
    return name;
}

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
    if (secret.ends_with('\n'))
        secret.pop_back();
    return secret;
}

result<found_secret> find_secret(const source_options& options)
{
    const auto from_file = [](const std::filesystem::path& path) -> result<found_secret>
    {
        auto value = read_secret(path);
        if (!value)
            return std::unexpected(value.error());
        return found_secret{.value = std::move(*value), .file = path};
    };
    if (!options.secret_file.empty())
        return from_file(options.secret_file);
    if (const auto* given = std::getenv("CONSORTIUM_MASTER_SECRET"); given != nullptr && *given != '\0')
        return found_secret{.value = given, .file = {}};
    const auto usual = beside(options.data, ".secret");
    std::error_code ignored;
    if (!std::filesystem::exists(usual, ignored))
        return fail(
            errc::not_found, "no master secret: " + usual.string() +
                                 " does not exist. Set CONSORTIUM_MASTER_SECRET, or name its file with --secret-file.");
    return from_file(usual);
}

std::filesystem::path scratch_directory(const source_options& options, const std::filesystem::path& wanted)
{
    const auto own = ".replay-" + std::to_string(::getpid());
    return wanted.empty() ? beside(options.data, own) : wanted / ("consortium" + own);
}

result<void> check_directory(const std::filesystem::path& directory)
{
    std::error_code ignored;
    if (!std::filesystem::is_directory(directory, ignored))
        return fail(errc::not_found, directory.string() + " is not a directory");
    return {};
}

result<void> check_owner(const std::filesystem::path& directory)
{
    struct stat now{};
    if (::stat(directory.c_str(), &now) != 0)
        return fail_errno("cannot look at " + directory.string(), errno);
    if (now.st_uid != ::geteuid())
        return fail(
            errc::forbidden,
            directory.string() + " belongs to user " + std::to_string(now.st_uid) +
                ": run this as that user, or the relay may not be able to read what is written there.");
    return {};
}

result<log::log_options> log_options_of(const source_options& options)
{
    auto secret = find_secret(options);
    if (!secret)
        return std::unexpected(secret.error());
    log::log_options out;
    out.directory = options.data;
    out.witness = options.witness;
    out.master_secret = std::move(secret->value);
    out.create = false;
    return out;
}

result<std::unique_ptr<log::log_reader>> open_source(const source_options& options)
{
    if (auto there = check_directory(options.data); !there)
        return std::unexpected(there.error());
    const auto wanted = log_options_of(options);
    if (!wanted)
        return std::unexpected(wanted.error());
    auto opened = log::open_log_reader(*wanted, projections::rules());
    if (!opened && opened.error() == errc::locked)
        return fail(
            errc::locked, options.data.string() + " is in use: a relay runs on it. Stop the relay, then try again.");
    return opened;
}

} // namespace consortium::admin
