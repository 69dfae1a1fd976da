#include "storage/prompt_rules.hpp"
#include "consortium/common/limits.hpp"
#include <array>
#include <utility>

namespace consortium::agent
{
namespace
{

constexpr std::array words{
    std::pair(hold_reason::device, std::string_view("device")),
    std::pair(hold_reason::until, std::string_view("until")),
    std::pair(hold_reason::stopped, std::string_view("stopped")),
    std::pair(hold_reason::unseen, std::string_view("unseen")),
};

/// An end from before a reboot counts as one of long ago.
bool long_before(const turn_end& end, const arrival& came)
{
    return end.at.boot != came.moment.boot || came.moment.at - end.at.at > limits::unseen_end_grace;
}

} // namespace

std::string_view word(hold_reason why) noexcept
{
    for (const auto& [each, text] : words)
    {
        if (each == why)
            return text;
    }
    return {};
}

std::optional<hold_reason> hold_reason_of(std::string_view text) noexcept
{
    for (const auto& [each, known] : words)
    {
        if (known == text)
            return each;
    }
    return std::nullopt;
}

prompt_verdict judge_prompt(const prompt_facts& facts, const std::optional<turn_end>& last)
{
    constexpr unix_millis ahead_max = std::chrono::milliseconds(limits::prompt_until_max).count();
    if (facts.writer == prompt_writer::other)
        return {true, std::nullopt};
    if (facts.writer == prompt_writer::unknown)
        return {false, hold_reason::device};
    // As it stands, `until - time` cannot overflow for any time a clock shows.
    if (facts.until < facts.came.time || facts.until - facts.came.time > ahead_max)
        return {false, hold_reason::until};
    if (last && !facts.saw_end && last->stopped)
        return {false, hold_reason::stopped};
    if (last && !facts.saw_end && long_before(*last, facts.came))
        return {false, hold_reason::unseen};
    return {};
}

} // namespace consortium::agent
