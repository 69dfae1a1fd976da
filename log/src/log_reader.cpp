#include "log_reader.hpp"
#include "scratch_views.hpp"
#include "verify.hpp"

namespace consortium::log
{
rocks_log_reader::rocks_log_reader(opened_directory opened)
    : opened_(std::move(opened)),
      at_(std::make_shared<pinned_store>(opened_.store, opened_.edge(), opened_.with->keys->generation()))
{
}

std::unique_ptr<snapshot> rocks_log_reader::read() const
{
    return make_snapshot(at_, opened_.with);
}

result<log_reader::report> rocks_log_reader::verify(std::size_t threads) const
{
    return verify_log(at_, opened_, threads);
}

result<log_reader::file_report> rocks_log_reader::verify_files() const
{
    return log::verify_files(*opened_.store);
}

result<std::unique_ptr<log_reader>> open_log_reader(const log_options& options, const domain& rules)
{
    auto opened = open_directory(options, rules, {}, store_access::read_only);
    if (!opened)
        return std::unexpected(opened.error());
    return std::make_unique<rocks_log_reader>(std::move(*opened));
}

result<std::unique_ptr<scratch_views>>
open_scratch_views(const std::filesystem::path& directory, const log_reader& source, const domain& rules)
{
    return make_scratch_views(directory, dynamic_cast<const rocks_log_reader&>(source).rows(), rules);
}

digest256 table_digest(const view_reader& rows, table_id table)
{
    sha256_stream running;
    rows.scan(
        table, {}, {},
        [&](byte_view key, byte_view value)
        {
            running.update(big_endian(static_cast<std::uint32_t>(key.size())));
            running.update(key);
            running.update(big_endian(static_cast<std::uint32_t>(value.size())));
            running.update(value);
            return true;
        });
    return running.finish();
}

} // namespace consortium::log
