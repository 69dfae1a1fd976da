#pragma once
#include "consortium/common/clock.hpp"
#include "drivers/driver.hpp"
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{

/// What the dashboard must know about the agent at any moment: open questions, mode, model, and what is held
/// (docs/protocol.md 5.1). What was answered stands in the history. Stays small, whatever is asked.
class agent_state
{
public:
    explicit agent_state(std::string directory) : directory_(std::move(directory)) {}

    struct open_question
    {
        question asked;
        std::string ask;  ///< the text that is shown, signed and carried out
        std::string hash; ///< of it
        unix_millis since = 0;
        std::string message; ///< base64 id of the message that carries the ask; empty: the state does
    };
    /// Makes the ask and opens it. One about a call that another open one is about has its own id for a name. Errors:
    /// errc::too_large, errc::overloaded, errc::conflict; nobody can be asked then.
    result<const open_question*> ask(question asked, unix_millis now);
    /// Whether the ask of that id must travel as a message, told by in_message().
    bool needs_message(const std::string& id) const;
    void in_message(const std::string& id, std::string message);

    const open_question* find(const std::string& id) const;
    std::optional<std::string> id_of_request(const std::string& request_id) const;
    /// Answered, or nobody waits for the answer any more.
    void close(const std::string& id) { open_.erase(id); }
    void close_all() { open_.clear(); }

    void set_mode(const std::string& mode);
    void set_model(const std::string& model);
    /// What runs on without a turn; each counts from when it was first seen.
    void set_background(const std::vector<background_task>& tasks, unix_millis now);
    const std::string& mode() const noexcept { return mode_; }
    const std::string& model() const noexcept { return model_; }

    /// All but its count and what is held.
    boost::json::object to_json() const;

private:
    std::string directory_;
    std::string mode_ = "default";
    std::string model_;
    std::map<std::string, open_question> open_;

    struct running_task
    {
        std::string id;
        std::string type;
        std::string what;
        unix_millis since = 0;
    };
    std::vector<running_task> background_;
    std::size_t background_more_ = 0; ///< that are not in the list
};

} // namespace consortium::agent
