#pragma once
#include "transport/context.hpp"
#include "transport/socket.hpp"
#include <boost/asio/steady_timer.hpp>
#include <unordered_map>

namespace consortium::relay
{

class socket_io_peer;

/// The socket that the rules see: one stay of a client in the namespace. Its peer holds it until it leaves; afterwards
/// it lives as long as somebody else does, says nothing, and hears nothing. On its thread but for what socket.hpp says.
class joined_socket final : public socket
{
public:
    explicit joined_socket(const std::shared_ptr<socket_io_peer>& on);

    const std::string& id() const noexcept override { return id_; }
    std::size_t thread() const noexcept override { return thread_; }
    const std::string& remote_address() const noexcept override { return remote_address_; }
    asio::any_io_executor executor() const override { return executor_; }
    bool is_open() const noexcept override { return state_ == state::open; }
    void emit(net::shared_frame encoded) override;
    void emit(std::string_view name, const boost::json::value& arg) override;
    void emit_with_ack(
        std::string_view name, arguments args, std::chrono::milliseconds timeout, answer_callback answered) override;
    void flush() override;
    std::size_t queued_bytes() const noexcept override;
    void pause_reading() override;
    void resume_reading() override;
    void close_transport(std::string_view reason) override;
    void disconnect() override;

    socket_listener* listener() const noexcept { return listener_.get(); }
    bool is_paused() const noexcept { return pauses_ > 0; }
    /// The client has acknowledged an event.
    void settle(std::uint64_t id, result<arguments> with);

    /// The rules said yes, and `40` goes out.
    void open(std::unique_ptr<socket_listener> listener);
    /// No output from now on. The rules are told in a turn of its own: they may be in the middle of something with it.
    void leave(std::string_view reason);

private:
    enum class state
    {
        waiting, ///< for the rules
        open,
        left,
    };
    struct awaited
    {
        answer_callback answered;
        std::unique_ptr<asio::steady_timer> limit;
    };

    void answer(std::uint64_t id, arguments with) override;
    void answer(net::shared_frame encoded) override;
    std::shared_ptr<socket_io_peer> peer() const { return state_ == state::open ? peer_.lock() : nullptr; }
    /// Runs `task` on the socket's thread, at once where that is this one.
    template <class Task>
    void on_own_thread(Task task);
    void finish(std::string_view reason);

    const std::weak_ptr<socket_io_peer> peer_;
    transport_context& context_;
    const std::string id_;
    const std::size_t thread_;
    const std::string remote_address_;
    const asio::any_io_executor executor_;
    state state_ = state::waiting;
    std::unique_ptr<socket_listener> listener_;
    int pauses_ = 0;
    std::uint64_t next_ack_ = 0;
    std::unordered_map<std::uint64_t, awaited> awaited_;
};

} // namespace consortium::relay
