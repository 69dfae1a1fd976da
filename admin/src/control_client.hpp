#pragma once
#include "consortium/common/error.hpp"
#include <boost/json.hpp>
#include <filesystem>
#include <functional>

namespace consortium::admin
{

/// Asks the relay that runs on `data` to do it, and waits for its answer however long that takes. Errors: the relay's;
/// errc::locked: nobody listens; errc::closed: the connection ended without an answer.
result<boost::json::object> ask_relay(const std::filesystem::path& data, const boost::json::object& command);

/// As that, for what only a running relay can do: the error says what keeps it from being asked, and what to do.
/// `how_to_start` is said when no relay runs.
result<boost::json::object> ask_running_relay(
    const std::filesystem::path& data, const boost::json::object& command, const std::string& how_to_start);

/// Has `command` done by the relay if one runs on `data`, whose answer this is, and by `directly` otherwise.
/// errc::forbidden when the directory belongs to another user and no relay is there to do it.
result<boost::json::object> answer_or_ask(
    const std::filesystem::path& data, const std::function<result<boost::json::object>()>& directly,
    const boost::json::object& command);

/// The same where there is nothing to answer. True: the relay did it.
result<bool> do_or_ask(
    const std::filesystem::path& data, const std::function<result<void>()>& directly,
    const boost::json::object& command);

} // namespace consortium::admin
