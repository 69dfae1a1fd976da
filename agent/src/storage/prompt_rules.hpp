#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/e2ee/bundle.hpp"
#include <optional>
#include <string_view>

/// When a prompt runs and when a person is asked first (docs/protocol.md 5.4). Pure.
namespace consortium::agent
{

/// Who signed it, as far as the chain says.
enum class prompt_writer
{
    browser, ///< a good one
    unknown,
    other, ///< an agent, or a device that was revoked
};

/// When it came.
struct arrival
{
    unix_millis time = 0; ///< by the wall clock: `until` is compared with it
    boot_time moment;     ///< spans are measured with it
};

/// The end of the last turn.
struct turn_end
{
    e2ee::bundle_id id{}; ///< the bundle that says so
    boot_time at;
    bool stopped = false; ///< a person pressed Stop
    bool said = false;    ///< the bundle waits for the relay, or was sent
};

/// Why a prompt waits for a person; the first that holds, in this order.
enum class hold_reason
{
    device,
    until,
    stopped,
    unseen,
};
std::string_view word(hold_reason why) noexcept;
std::optional<hold_reason> hold_reason_of(std::string_view word) noexcept;
/// Whether later prompts of the same sender wait behind one that is held for this.
constexpr bool makes_others_wait(hold_reason why) noexcept
{
    return why == hold_reason::device || why == hold_reason::until;
}

struct prompt_facts
{
    prompt_writer writer = prompt_writer::unknown;
    unix_millis until = 0;
    bool saw_end = false; ///< its writer had the last turn's end before it, or what the agent said later
    arrival came;
};

struct prompt_verdict
{
    bool refused = false;
    std::optional<hold_reason> held;

    bool runs() const noexcept { return !refused && !held; }
};
prompt_verdict judge_prompt(const prompt_facts& facts, const std::optional<turn_end>& last);

} // namespace consortium::agent
