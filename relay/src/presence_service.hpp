#pragma once
#include "consortium/common/clock.hpp"
#include "hub/hub.hpp"
#include "presence.hpp"
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>

namespace consortium::relay
{

/// Carries out what the presence table asks for: announcements to clients, transitions to the log. Thread-safe, except
/// as said.
class presence_service
{
public:
    using actions = presence_table::actions;
    /// Queues a command, as hub::submit.
    using submitter = std::function<result<void>(std::shared_ptr<log::command>, hub::completion)>;

    presence_service(hub& clients, const clock_source& clock, const presence_settings& settings);

    /// From the log as it was opened: everything active counts as heard just now.
    result<void> load(const log::snapshot& at);
    /// On the thread of the log's commit_sink, for every event.
    void committed(const log::event& happened);
    /// Runs `task` on the table.
    actions with(const std::function<actions(presence_table&, unix_millis now)>& task);
    /// On a network thread. `submit`: by default in the relay's own name and nobody waits.
    void perform(const actions& wanted, const submitter& submit = {});

    /// Begins to sweep, on network thread 0. stop() before the server is stopped, from any thread.
    void start(net::http_server& server);
    void stop();

private:
    void arm();

    hub& clients_;
    const clock_source& clock_;
    const presence_settings settings_;
    std::mutex guard_;
    presence_table table_;
    net::http_server* server_ = nullptr;
    std::unique_ptr<boost::asio::steady_timer> timer_;
};

} // namespace consortium::relay
