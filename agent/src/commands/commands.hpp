#pragma once
#include "commands/command_line.hpp"
#include "identity/device_book.hpp"
#include "identity/keystore.hpp"
#include "link/relay_client.hpp"
#include "terminal/screen.hpp"
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <string>

namespace consortium::agent
{

/// What every command works with.
struct surroundings
{
    boost::asio::io_context& io;
    const keystore& store;
    const clock_source& clock;
    screen& out;
    bool insecure = false; ///< --insecure
};

/// Finds out what the words for Claude Code mean. Where it is to run by itself this process becomes it, and this does
/// not return: to be called before anything is changed that a program inherits. Otherwise `wanted` has the prompt that
/// the session begins with, and what is left in `for_claude`. Errors say what to do.
result<void> settle_words_for_claude(command_line& wanted);

/// The relay that is meant: CONSORTIUM_SERVER_URL, else the one this machine is paired with, else the one on this
/// machine.
std::string chosen_server(const std::optional<identity>& known);

/// The client for that relay; says it if there is a proxy on the way. errc::bad_request for what is no address, and for
/// http:// beyond this machine unless --insecure was given.
result<std::unique_ptr<relay_client>> connect_to(surroundings& with, const std::string& server);

/// Each gives the process's exit status.
boost::asio::awaitable<int> run_session(surroundings& with, const command_line& wanted);
boost::asio::awaitable<int> auth_login(surroundings& with, const std::string& invitation);
boost::asio::awaitable<int> auth_logout(surroundings& with);
boost::asio::awaitable<int> auth_status(surroundings& with);
boost::asio::awaitable<int> show_log(surroundings& with, bool accept);
boost::asio::awaitable<int> show_trash(surroundings& with);
boost::asio::awaitable<int> restore_session(surroundings& with, const std::string& session);

/// For the terminal: the alarms about that relay's log, loudly; nothing when there are none.
void show_log_alarms(screen& out, const log_memory& memory, const std::string& server);
/// The same for those about the account's devices.
void show_device_alarms(screen& out, const device_book& book);

} // namespace consortium::agent
