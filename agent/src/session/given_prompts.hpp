#pragma once
#include "drivers/driver.hpp"
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace consortium::agent
{

/// Which prompts the agent program has at this moment. This is the only place that counts them; what of it must outlive
/// the process is the gate's (prompt_progress). Not thread-safe.
class given_prompts
{
public:
    /// It is handed over now.
    void give(const std::string& uuid);
    /// What the program says of one: of ours, or of one that it made itself.
    void heard(const std::string& uuid, prompt_step step);
    /// A turn is over: a program that does not say what becomes of a prompt has at least come to its end.
    void turn_ended() noexcept { awaited_.clear(); }
    /// All of ours are being stopped: they are not counted any more. None follows before the turn has ended.
    void let_go();

    /// Whether it may have one more. It is to have one waiting at most: of several it makes one, and after a crash
    /// knows only one of their uuids.
    bool takes_another() const noexcept { return awaited_.empty(); }
    /// Whether it was handed that one and is not done with it.
    bool has(const std::string& uuid) const;
    bool has_some() const;
    bool has_begun(const std::string& uuid) const;
    /// What a stop has to take back from it, its own ones too.
    std::vector<std::string> waiting() const;

private:
    struct state
    {
        prompt_step step = prompt_step::given;
        bool ours = false;
    };
    std::size_t foreign() const;

    std::map<std::string, state> prompts_; ///< of those that are not over
    std::string awaited_;                  ///< the last one, while nothing was begun since
};

} // namespace consortium::agent
