#include "base/diagnostics.hpp"
#include "consortium/common/printable.hpp"
#include <memory>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

namespace consortium::agent::diagnostics
{
namespace
{

std::shared_ptr<spdlog::logger>& logger()
{
    static std::shared_ptr<spdlog::logger> instance;
    return instance;
}

} // namespace

bool open(const std::string& file)
{
    try
    {
        logger() =
            std::make_shared<spdlog::logger>("consortium", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
    }
    catch (const spdlog::spdlog_ex&)
    {
        return false;
    }
    logger()->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
    logger()->flush_on(spdlog::level::info);
    return true;
}

void note(std::string_view what, std::string_view about)
{
    if (logger())
        logger()->info("{} {}", printable(what), printable(about));
}

} // namespace consortium::agent::diagnostics
