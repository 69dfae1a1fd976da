#include "mirror_settings.hpp"

namespace consortium::relay
{

result<std::optional<postgres::mirror_options>> mirror_of(const config& settings)
{
    if (!settings.database_url)
        return std::nullopt;
    auto where = postgres::database_url::parse(*settings.database_url);
    if (!where)
        return std::unexpected(where.error());
    return postgres::mirror_options{
        .where = std::move(*where),
        .connect_timeout = settings.mirror_connect_timeout,
        .timeout = settings.mirror_timeout,
        .retry = settings.mirror_retry};
}

} // namespace consortium::relay
