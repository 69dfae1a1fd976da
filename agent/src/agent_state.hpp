#pragma once
#include "claude/permission.hpp"
#include "consortium/common/clock.hpp"
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>

namespace consortium::agent
{

/// What the dashboard must know about the agent at any moment: open questions, mode, model, and which process it is
/// (docs/protocol.md C.6).
class agent_state
{
public:
    agent_state(std::string instance, std::string directory)
        : instance_(std::move(instance)), directory_(std::move(directory))
    {
    }

    void ask(claude::permission_request asked, unix_millis now);
    /// The open question of that id (tool use or request).
    const claude::permission_request* find(const std::string& id) const;
    std::optional<std::string> id_of_request(const std::string& request_id) const;
    void answer(const std::string& id, const claude::permission_verdict& verdict, unix_millis now);
    /// Claude or the process no longer waits for an answer.
    void cancel(const std::string& id, std::string reason, unix_millis now);
    void cancel_all(const std::string& reason, unix_millis now);

    void set_mode(std::string mode) { mode_ = std::move(mode); }
    void set_model(std::string model) { model_ = std::move(model); }
    const std::string& mode() const noexcept { return mode_; }
    const std::string& model() const noexcept { return model_; }
    const std::string& instance() const noexcept { return instance_; }
    bool waiting() const noexcept { return !open_.empty(); }

    boost::json::object to_json() const;

private:
    struct question
    {
        claude::permission_request asked;
        unix_millis since = 0;
    };
    boost::json::object describe(const question& each) const;
    void complete(const std::string& id, boost::json::object outcome, unix_millis now);

    std::string instance_;
    std::string directory_;
    std::string mode_ = "default";
    std::string model_;
    std::map<std::string, question> open_;
    boost::json::object completed_; ///< in the order of completion
};

} // namespace consortium::agent
