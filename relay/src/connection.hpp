#pragma once
#include "services.hpp"
#include "transport/socket.hpp"
#include <list>
#include <unordered_set>

namespace consortium::relay
{

/// A signed-in socket: who it is, where it stands in its account's stream, and what it has under way. Everything on the
/// socket's thread.
class connection final : public member
{
public:
    connection(
        services& shared, connection_id id, socket& carrier, const projections::principal& who,
        protocol::v1::handshake_request asked, follower place);

    const projections::principal& who() const noexcept { return who_; }
    const protocol::v1::handshake_request& asked() const noexcept { return asked_; }
    services& shared() noexcept { return shared_; }

    // outlet and member
    void send(net::shared_frame frame) override;
    void flush() override;
    std::size_t queued_bytes() const override;
    bool is_open() const override;
    void revoked() override;
    void fail(std::string_view reason) override;

    /// The socket it lives on; nullptr once it has gone.
    socket* carrier() noexcept { return carrier_; }
    void gone() noexcept;

    /// Submits in the order of the calls; `done` comes in the same order. While the log's queue is full it waits here
    /// and nothing more is read from the client: refusing one message and taking the next would break their order.
    result<void> submit(std::shared_ptr<log::command> wanted, hub::completion done);
    /// Runs `task` once all that was submitted before has been committed and fanned out; at once if there is nothing.
    void after_earlier(std::move_only_function<void()> task);

    /// That it may write to this session: the account's, and for an agent its own. Remembered. Errors: as
    /// projections::reach().
    result<void> reaches(session_id session);

    std::shared_ptr<std::atomic<std::size_t>> calls_in_flight = std::make_shared<std::atomic<std::size_t>>(0);

    /// Stops reading while the client takes no answers.
    void hold_back_if_full();
    /// The same while so much that it asked for is still being made elsewhere.
    void promised(std::size_t bytes);
    void delivered(std::size_t bytes);

private:
    /// What waits for room in the log's queue.
    struct stalled_command
    {
        std::shared_ptr<log::command> wanted;
        std::shared_ptr<hub::completion> done;
    };
    result<void> pass_on(const stalled_command& given);
    void stall();
    void look_soon(void (connection::*look)());
    void try_again();
    void completed();
    void look_again();
    /// So much left untaken, and nothing more is read from this client.
    std::size_t held_back_bytes() const;

    services& shared_;
    socket* carrier_;
    const projections::principal who_;
    const protocol::v1::handshake_request asked_;

    std::uint64_t submitted_ = 0;
    std::uint64_t completed_ = 0;
    struct barrier
    {
        std::uint64_t after = 0;
        std::move_only_function<void()> task;
    };
    /// Lists, as they are nearly always empty: an empty deque has a block of its own.
    std::list<barrier> barriers_;
    std::unordered_set<session_id> reached_;
    std::list<stalled_command> stalled_;
    bool held_back_ = false;
    std::size_t promised_ = 0;
    bool waits_for_promised_ = false;
};

} // namespace consortium::relay
