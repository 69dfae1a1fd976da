#pragma once
#include "base/child_process.hpp"
#include "drivers/ask.hpp"
#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The agent programs, Claude Code first, in words that are none of theirs. Whoever knows how one of them speaks is a
/// driver; everything else knows only what stands here. What each of them must do:
/// tests/agent/driver_contract_test.cpp.
namespace consortium::agent
{

/// How far the program is with a prompt.
enum class prompt_step
{
    given,   ///< it was handed over, and nothing was heard of it
    queued,  ///< the program has it
    begun,   ///< too late to take it back
    done,    ///< written down by the program, which does not run it again
    dropped, ///< it will not run
};
std::string_view word(prompt_step step) noexcept;

struct text_said
{
    std::string text;
};
struct thought
{
    std::string text;
};
struct tool_call
{
    std::string id;
    std::string tool;
    boost::json::object arguments;
};
struct tool_result
{
    std::string call; ///< id of it
    bool failed = false;
};
/// A turn is over. Whether the program is at rest is another question: see on_busy().
struct turn_result
{
    enum class outcome
    {
        done,
        stopped, ///< by a person
        failed,
    };
    struct usage
    {
        std::int64_t input = 0; ///< tokens
        std::int64_t output = 0;
        std::optional<double> cost; ///< in USD
    };
    outcome how = outcome::done;
    std::string words;
    std::optional<usage> used;
};
/// The program knows nothing of what was said before this, or a summary of it.
enum class memory_loss
{
    cleared,
    summarised,
};
/// The program has no valid credentials: only a person at this machine can help.
struct not_logged_in
{
};

/// What of a line this version understands.
using saying = std::variant<text_said, thought, tool_call, tool_result, turn_result, memory_loss, not_logged_in>;

/// A line of the conversation.
struct said
{
    boost::json::object line; ///< as the program wrote it: this is what is stored, and what later versions read
    std::string id;           ///< the program's own for the line; the same line comes under the same one. May be empty
    std::string block;        ///< of the partial text that it completes; empty: none
    std::string within;       ///< id of the call whose subagent says it; empty: the conversation itself
    std::vector<saying> parts;
};

/// A piece of a block that is still being written.
struct partial_text
{
    std::string block;        ///< "<message id>:<index of the block>"
    std::uint64_t offset = 0; ///< in UTF-16 code units, of what came before in this block
    std::string text;
    std::string_view kind; ///< "text" or "thinking"
};

/// Something that runs on without a turn: a command, a subagent.
struct background_task
{
    std::string id;
    std::string type;
    std::string what;
};

/// What the program says. Called on the driver's executor, never inside a call to the driver.
class driver_events
{
public:
    virtual ~driver_events() = default;
    /// Every line, in order, but those that the others of these functions tell of.
    virtual void on_said(said what) = 0;
    /// A line that cannot be read, whatever is forgiven; what it could have held up was answered.
    virtual void on_unreadable(std::string_view line) = 0;
    /// There is new partial text to take().
    virtual void on_partial() = 0;
    virtual void on_question(question asked) = 0;
    /// The program wanted something we do not know; it was refused.
    virtual void on_unknown_request(const std::string& what) = 0;
    /// A question is void: nobody must answer it any more.
    virtual void on_question_end(const std::string& request_id) = 0;
    /// A turn runs, or none does.
    virtual void on_busy(bool busy) = 0;
    /// What became of a prompt; it may be one that the program made itself.
    virtual void on_prompt(const std::string& uuid, prompt_step step) = 0;
    /// The program's own id of the conversation; another one after it forgot everything.
    virtual void on_conversation(const std::string& id) = 0;
    virtual void on_mode(const std::string& mode) = 0;
    virtual void on_model(const std::string& model) = 0;
    virtual void on_title(const std::string& title) = 0;
    /// All that runs in the background now.
    virtual void on_background(std::vector<background_task> tasks) = 0;
};

/// One program that runs, or ran. How it is started is its driver's own. Not thread-safe: everything on one executor.
/// Requests fail with errc::bad_request (the program refused, in its words), errc::closed, errc::timeout.
class driver
{
public:
    virtual ~driver() = default;
    /// No events any more: who listens goes before the driver.
    virtual void detach() noexcept = 0;

    /// Hands a prompt over. What is done, it does not run again under the same uuid.
    virtual void prompt(const std::string& uuid, const std::string& text) = 0;
    /// Stops the running turn. The prompts that wait behind it (their uuids) are taken back first, so that stop means
    /// stop. Those of them for which it was too late.
    virtual boost::asio::awaitable<result<std::vector<std::string>>> stop_turn(std::vector<std::string> waiting) = 0;

    /// What the program is to be told, made of two texts and of nothing else: the ask that was shown and what was said
    /// to it. errc::bad_request when the verdict names what the ask has not.
    /// JSON of the driver's own.
    virtual result<std::string> prepare_answer(question_kind kind, std::string_view ask, const verdict& said) const = 0;
    /// Each question is answered or refused once, unless it ended.
    virtual void answer(const std::string& request_id, std::string prepared) = 0;
    /// Nobody can be asked.
    virtual void refuse(const question& asked, const std::string& why) = 0;

    /// The mode that it is in now, whether that one or not.
    virtual boost::asio::awaitable<result<std::string>> set_mode(std::string mode) = 0;
    virtual boost::asio::awaitable<result<void>> set_model(std::string model) = 0;
    virtual boost::asio::awaitable<result<void>> stop_task(std::string id) = 0;

    virtual std::vector<partial_text> take_partial() = 0;
    virtual bool busy() const noexcept = 0;
    /// It was started, whether it has ended since or not.
    virtual bool started() const noexcept = 0;

    /// Completes when the program has ended and all that it said was handed on.
    virtual boost::asio::awaitable<child_exit> ended() = 0;
    /// Why it ended, for people: the end of what it wrote beside the conversation.
    virtual std::string last_words() const = 0;
    /// Asks it to end, now, whatever it is doing.
    virtual void close() = 0;
    virtual void kill() noexcept = 0;
};

} // namespace consortium::agent
