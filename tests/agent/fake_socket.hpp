#pragma once
#include "link/session_link.hpp"
#include <boost/json.hpp>
#include <deque>
#include <stdexcept>

namespace consortium::agent::testing
{

/// One connection to a relay that a test plays.
class fake_socket final : public socket_client
{
public:
    explicit fake_socket(handlers on) : on_(std::move(on)) {}

    // The relay's side.
    void say(std::string_view name, boost::json::value value, answer reply = {})
    {
        boost::json::array args{std::move(value)};
        on_.on_event(name, args, std::move(reply));
    }
    void break_down(error reason)
    {
        open_ = false;
        on_.on_close(std::move(reason));
    }
    std::deque<std::pair<std::string, boost::json::object>> emitted;
    /// Answers an event that wants an acknowledgement.
    std::function<result<boost::json::array>(const std::string&, const boost::json::object&)> acknowledge =
        [](const std::string&, const boost::json::object&) { return boost::json::array{boost::json::object()}; };

    // The agent's side.
    const std::string& sid() const noexcept override { return sid_; }
    bool is_open() const noexcept override { return open_; }
    void emit(std::string_view name, const boost::json::array& args) override
    {
        emitted.emplace_back(std::string(name), args.at(0).as_object());
    }
    asio::awaitable<result<boost::json::array>>
    emit_with_ack(std::string name, boost::json::array args, std::chrono::milliseconds) override
    {
        if (!open_)
            co_return fail(errc::closed, "closed");
        co_return acknowledge(name, args.at(0).as_object());
    }
    void emit_with_ack(
        std::string_view name, const boost::json::array& args, std::chrono::milliseconds,
        std::function<void(result<boost::json::array>)> answered) override
    {
        answered(acknowledge(std::string(name), args.at(0).as_object()));
    }
    std::size_t queued_bytes() const noexcept override { return 0; }
    void close() override { open_ = false; }

private:
    handlers on_;
    std::string sid_ = "fake";
    bool open_ = true;
};

/// Where the agent dials.
struct fake_exchange
{
    std::vector<boost::json::object> handshakes;
    std::vector<std::shared_ptr<fake_socket>> sockets;
    /// What the next dials meet instead of a connection.
    std::deque<relay_failure> failures;
    std::string thrown; ///< what the next dials throw; empty: nothing

    link_options::dialler dialler()
    {
        return [this](
                   socket_client_options options,
                   socket_client::handlers on) -> asio::awaitable<relay_answer<std::shared_ptr<socket_client>>>
        {
            handshakes.push_back(options.auth);
            if (!thrown.empty())
                throw std::runtime_error(thrown);
            if (!failures.empty())
            {
                const auto failure = failures.front();
                failures.pop_front();
                co_return std::unexpected(failure);
            }
            sockets.push_back(std::make_shared<fake_socket>(std::move(on)));
            co_return std::shared_ptr<socket_client>(sockets.back());
        };
    }
};

} // namespace consortium::agent::testing
