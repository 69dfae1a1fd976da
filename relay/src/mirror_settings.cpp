#include "mirror_settings.hpp"
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace consortium::relay
{
namespace
{

/// An empty variable is none.
std::string_view variable(const char* name)
{
    const char* given = std::getenv(name);
    return given != nullptr ? given : "";
}

result<void> read_milliseconds(const char* name, std::chrono::milliseconds& to)
{
    const auto text = variable(name);
    if (text.empty())
        return {};
    std::int64_t count = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failed != std::errc() || end != text.data() + text.size() || count < 1 || count > 86'400'000)
        return fail(errc::bad_request, std::string(name) + " must be a number of milliseconds from 1 to 86400000");
    to = std::chrono::milliseconds(count);
    return {};
}

} // namespace

result<std::optional<postgres::mirror_options>> mirror_from_environment()
{
    const auto url = variable("DATABASE_URL");
    if (url.empty())
        return std::nullopt;
    auto where = postgres::database_url::parse(url);
    if (!where)
        return std::unexpected(where.error());
    postgres::mirror_options out{.where = std::move(*where)};
    for (const auto& [name, to] :
         {std::pair{"CONSORTIUM_MIRROR_CONNECT_TIMEOUT_MS", &out.connect_timeout},
          std::pair{"CONSORTIUM_MIRROR_TIMEOUT_MS", &out.timeout}, std::pair{"CONSORTIUM_MIRROR_RETRY_MS", &out.retry}})
        if (auto read = read_milliseconds(name, *to); !read)
            return std::unexpected(read.error());
    return out;
}

} // namespace consortium::relay
