#include "consortium/log/diagnostics.hpp"
#include "consortium/common/printable.hpp"
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

// Our own messages with their next step are longer than what is quoted in them.
constexpr std::size_t message_characters_max = 2000;

class printable_message final : public spdlog::custom_flag_formatter
{
public:
    void format(const spdlog::details::log_msg& said, const std::tm&, spdlog::memory_buf_t& out) override
    {
        const auto text = printable({said.payload.data(), said.payload.size()}, message_characters_max);
        out.append(text.data(), text.data() + text.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<printable_message>(); }
};

} // namespace

void log_to_stderr(const std::string& name, const std::string& pattern)
{
    spdlog::drop(name);
    auto logger = spdlog::stderr_logger_mt(name);
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<printable_message>('*').set_pattern(pattern);
    logger->set_formatter(std::move(formatter));
    spdlog::set_default_logger(std::move(logger));
}

} // namespace consortium::log
