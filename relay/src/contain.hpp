#pragma once
#include <exception>
#include <string_view>
#include <utility>

namespace consortium::relay
{

/// Logs the exception that is being handled: `task` failed of it.
void log_bug(std::string_view task) noexcept;

/// std::terminate() calls it: whatever ends the process says so first.
[[noreturn]] void end_saying_why() noexcept;

/// Runs a task of the relay's threads. What it throws ends the task and not the process: it is logged, and `failed`
/// ends what the task was about, a connection for one. True when nothing was thrown.
template <class Task, class Failed>
bool contain(std::string_view name, Task&& task, Failed&& failed) noexcept
{
    try
    {
        std::forward<Task>(task)();
        return true;
    }
    catch (...)
    {
        log_bug(name);
    }
    try
    {
        std::forward<Failed>(failed)();
    }
    catch (...)
    {
        log_bug(name);
    }
    return false;
}

/// The same for what is about nothing that could end.
template <class Task>
bool contain(std::string_view name, Task&& task) noexcept
{
    return contain(name, std::forward<Task>(task), [] {});
}

} // namespace consortium::relay
