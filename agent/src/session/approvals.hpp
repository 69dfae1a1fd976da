#pragma once
#include "drivers/driver.hpp"
#include "session/call_gate.hpp"
#include "session/conversation_feed.hpp"
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace consortium::agent
{

/// The questions that wait for a person (docs/protocol.md 5.3): opened under a text of their own, answered by what a
/// browser signed over that text, and carried out once. Who answered what stands in the history before it is carried
/// out. Stays small, whatever is asked. Everything on one executor.
class approvals
{
public:
    /// Does what was said; `prepared` is for the driver.
    using executor = std::function<void(const verdict& said, std::string prepared)>;

    /// All of them must outlive it. `directory`: where the session is, as it is shown.
    approvals(std::string directory, conversation_feed& feed, screen& out, const clock_source& clock)
        : directory_(std::move(directory)), feed_(feed), out_(out), clock_(clock)
    {
    }

    /// Opens a question; a large one travels as a message. One about a call that another open one is about has its own
    /// id for a name. That name. Errors: errc::too_large, errc::overloaded, errc::conflict; nobody can be asked then.
    result<std::string> open(question asked, executor carry_out);
    /// The program asks. Where nobody can be asked it is refused, and the person learns that there was something.
    void ask(question asked, const std::shared_ptr<driver>& program);
    /// Nobody waits for the answer any more.
    void close(const std::string& id);
    void close_request(const std::string& request_id);
    void close_all();

    /// What a browser signed. The two texts decide: what is asked, and what was signed. Errors: errc::bad_request;
    /// errc::not_found: it is not open any more, or was another text.
    result<boost::json::value> take(const accepted_call& call, const driver& program);

    /// As they stand in the state.
    boost::json::object to_json() const;

    /// What is open has changed.
    std::function<void()> on_change;

private:
    struct open_question
    {
        question asked;
        std::string ask;  ///< the text that is shown, signed and carried out
        std::string hash; ///< of it
        unix_millis since = 0;
        std::string message; ///< base64 id of the message that carries the ask; empty: the state does
        executor carry_out;
    };
    bool needs_message(const open_question& made) const;
    void changed() const;

    std::string directory_;
    conversation_feed& feed_;
    screen& out_;
    const clock_source& clock_;
    std::map<std::string, open_question> open_;
};

/// A tool call in one line: how many arguments it has besides, and the one that says most about it. The count stands
/// first, for the end of the line may be cut.
std::string tool_line(const std::string& tool, const boost::json::object& arguments);

} // namespace consortium::agent
