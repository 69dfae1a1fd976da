#include "control_client.hpp"
#include "source.hpp"
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace consortium::admin
{
namespace
{

constexpr auto control_socket = "control.sock";
constexpr std::size_t answer_bytes_max = 1 << 20;

/// A socket that closes itself.
class connection
{
public:
    connection() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~connection()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    connection(const connection&) = delete;

    result<void> connect(const std::filesystem::path& socket) const
    {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        if (socket.native().size() >= sizeof address.sun_path)
            return fail(errc::too_large, "the path " + socket.string() + " is longer than a socket's may be");
        socket.native().copy(address.sun_path, sizeof address.sun_path - 1);
        if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return {};
        const int cause = errno;
        const bool nobody = cause == ENOENT || cause == ECONNREFUSED;
        return fail(
            nobody                              ? errc::locked
            : cause == EACCES || cause == EPERM ? errc::forbidden
                                                : errc::io,
            fail_errno("cannot connect to " + socket.string(), cause).error().detail);
    }
    bool send(std::string_view text) const
    {
        while (!text.empty())
        {
            const auto size = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (size < 0 && errno == EINTR)
                continue;
            if (size <= 0)
                return false;
            text.remove_prefix(static_cast<std::size_t>(size));
        }
        return true;
    }
    /// Up to a newline, or what came before the end.
    std::string line() const
    {
        std::string out;
        std::array<char, 4096> block;
        while (!out.ends_with('\n') && out.size() < answer_bytes_max)
        {
            const auto size = ::recv(fd_, block.data(), block.size(), 0);
            if (size < 0 && errno == EINTR)
                continue;
            if (size <= 0)
                break;
            out.append(block.data(), static_cast<std::size_t>(size));
        }
        return out;
    }

private:
    int fd_;
};

errc code_of(std::string_view text)
{
    for (int i = static_cast<int>(errc::bad_request); i <= static_cast<int>(errc::internal); ++i)
        if (word(static_cast<errc>(i)) == text)
            return static_cast<errc>(i);
    return errc::internal;
}

/// On a connection that is made.
result<boost::json::object>
converse(const connection& relay, const std::filesystem::path& data, const boost::json::object& command)
{
    const auto answered = relay.send(boost::json::serialize(command) + "\n") ? relay.line() : std::string();
    boost::system::error_code bad;
    auto parsed = boost::json::parse(answered, bad);
    const auto* object = bad ? nullptr : parsed.if_object();
    const auto* ok = object == nullptr ? nullptr : object->if_contains("ok");
    if (ok == nullptr || !ok->is_bool())
        return fail(
            errc::closed, "the relay on " + data.string() +
                              " gave no answer: it is stopping, or hears only its own user and root, or is busy with "
                              "other commands. Whether it did what was asked cannot be told.");
    if (ok->get_bool())
        return std::move(parsed.get_object());
    const auto* code = object->if_contains("code");
    const auto* detail = object->if_contains("error");
    return fail(
        code != nullptr && code->is_string() ? code_of(std::string_view(code->get_string())) : errc::internal,
        detail != nullptr && detail->is_string() ? std::string(detail->get_string()) : "the relay refused");
}

} // namespace

result<boost::json::object> ask_relay(const std::filesystem::path& data, const boost::json::object& command)
{
    const connection relay;
    if (auto connected = relay.connect(data / control_socket); !connected)
        return fail(
            errc::locked, data.string() + " is in use, but no relay takes commands for it: " +
                              connected.error().detail + ". Stop what uses it, then try again.");
    return converse(relay, data, command);
}

result<boost::json::object> ask_running_relay(
    const std::filesystem::path& data, const boost::json::object& command, const std::string& how_to_start)
{
    const connection relay;
    const auto connected = relay.connect(data / control_socket);
    if (connected)
        return converse(relay, data, command);
    auto next = connected.error().detail;
    if (connected.error() == errc::locked)
        next = "no relay runs on " + data.string() + ": " + how_to_start;
    else if (connected.error() == errc::forbidden)
        next += ". The relay takes commands from its own user and root: run this as one of them.";
    else if (connected.error() == errc::too_large)
        next += ". The relay has none then: move the directory to a shorter path, and start the relay there.";
    return fail(connected.error().code, next);
}

result<boost::json::object> answer_or_ask(
    const std::filesystem::path& data, const std::function<result<boost::json::object>()>& directly,
    const boost::json::object& command)
{
    const auto own = check_owner(data);
    if (own)
    {
        auto done = directly();
        if (done || done.error() != errc::locked)
            return done;
    }
    auto answered = ask_relay(data, command);
    if (!answered && !own && answered.error() == errc::locked)
        return std::unexpected(own.error());
    return answered;
}

result<bool> do_or_ask(
    const std::filesystem::path& data, const std::function<result<void>()>& directly,
    const boost::json::object& command)
{
    bool by_relay = true;
    const auto done = answer_or_ask(
        data,
        [&]() -> result<boost::json::object>
        {
            if (auto done_here = directly(); !done_here)
                return std::unexpected(done_here.error());
            by_relay = false;
            return boost::json::object{};
        },
        command);
    return done ? result<bool>(by_relay) : std::unexpected(done.error());
}

} // namespace consortium::admin
