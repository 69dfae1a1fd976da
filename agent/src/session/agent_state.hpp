#pragma once
#include "consortium/common/clock.hpp"
#include "drivers/driver.hpp"
#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace consortium::agent
{

/// What the dashboard must know about the program at any moment (docs/protocol.md 5.1), beside the questions that wait
/// (approvals) and what is held (prompt_gate). Stays small, whatever things are called.
class agent_state
{
public:
    void set_mode(const std::string& mode);
    void set_model(const std::string& model);
    /// What runs on without a turn; each counts from when it was first seen.
    void set_background(const std::vector<background_task>& tasks, unix_millis now);
    const std::string& mode() const noexcept { return mode_; }
    const std::string& model() const noexcept { return model_; }

    /// All but its count, what is asked and what is held.
    boost::json::object to_json() const;

private:
    std::string mode_ = "default";
    std::string model_;

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
