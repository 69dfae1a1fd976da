#include "consortium/log/diagnostics.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace consortium
{
namespace
{

// Goal: what a stranger sent clears no screen and writes no clipboard of whoever reads the relay's log.
TEST(diagnostics_test, no_control_character_is_logged)
{
    const auto before = spdlog::default_logger();
    testing::internal::CaptureStderr();
    log::log_to_stderr("diagnostics_test", "%l %*");
    spdlog::error("no such session: {}", "a\x1b[2J\x1b]52;c;eA==\x07\nerror faked \xe2\x80\xae");
    const auto said = testing::internal::GetCapturedStderr();
    spdlog::set_default_logger(before);
    EXPECT_TRUE(said.starts_with("error no such session: a")) << said;
    EXPECT_EQ(said.find_first_of("\x1b\x07"), std::string::npos) << said;
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
    EXPECT_FALSE(said.contains("\xe2\x80\xae")) << said;
}

} // namespace
} // namespace consortium
