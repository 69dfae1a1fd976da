#pragma once
#include <cstddef>
#include <string_view>

namespace consortium::relay
{

/// What somebody is refused, as the log and the metrics count it.
enum class refused
{
    answers,
    commands, ///< by the log: what was to be written
    connections,
    pairings,
    polling_sessions,
    requests,
    socket_bytes,
    strangers, ///< connections that have not signed in
};
inline constexpr std::size_t refused_count = 8;

/// As the metrics name it.
constexpr std::string_view word(refused what) noexcept
{
    switch (what)
    {
    case refused::answers:
        return "answers";
    case refused::commands:
        return "commands";
    case refused::connections:
        return "connections";
    case refused::pairings:
        return "pairings";
    case refused::polling_sessions:
        return "polling_sessions";
    case refused::requests:
        return "requests";
    case refused::socket_bytes:
        return "socket_bytes";
    case refused::strangers:
        return "strangers";
    }
    return {};
}

/// For a sentence: "refused 3 connections".
constexpr std::string_view plural(refused what) noexcept
{
    switch (what)
    {
    case refused::polling_sessions:
        return "polling sessions";
    case refused::socket_bytes:
        return "frames and bytes of sockets";
    case refused::strangers:
        return "connections";
    default:
        return word(what);
    }
}

} // namespace consortium::relay
