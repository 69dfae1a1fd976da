#include "drivers/claude_pipe.hpp"
#include "base/json_access.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/raw_json.hpp"
#include "drivers/claude/sayings.hpp"
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <utility>

namespace consortium::agent::claude
{
namespace
{

constexpr std::size_t line_bytes_max = 256u << 20; // only a broken child writes longer ones
constexpr std::size_t errors_bytes_max = 16u << 10;
constexpr auto progress_interval = std::chrono::seconds(10); // between lines that tell how far one thing has come
constexpr std::size_t progress_max = 256;                    // things that are known to have come somewhere

std::string trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos)
        return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

/// What a slash command printed comes as a message of the person's that is said again.
bool is_command_output(const json::object& line)
{
    const auto* message = object_at(line, "message");
    return message != nullptr && text_at(*message, "content").starts_with("<local-command-");
}

std::vector<background_task> tasks_of(const json::object& line)
{
    std::vector<background_task> out;
    const auto* tasks = array_at(line, "tasks");
    for (const auto& each : tasks != nullptr ? *tasks : json::array())
    {
        if (const auto* task = each.if_object())
            out.push_back({text_at(*task, "task_id"), text_at(*task, "task_type"), text_at(*task, "description")});
    }
    return out;
}

prompt_step step_of(std::string_view state)
{
    if (state == "queued")
        return prompt_step::queued;
    if (state == "completed")
        return prompt_step::done;
    return state == "cancelled" ? prompt_step::dropped : prompt_step::begun;
}

/// What stands behind `words`, up to the next quote. Empty when they are not there.
std::string word_behind(std::string_view text, std::string_view words)
{
    const auto at = text.find(words);
    if (at == std::string_view::npos)
        return {};
    const auto rest = text.substr(at + words.size());
    return std::string(rest.substr(0, rest.find('"')));
}

} // namespace

bool chooses_session(const std::vector<std::string>& user_arguments)
{
    constexpr std::array names{"--resume", "-r", "--continue", "-c", "--session-id", "--from-pr"};
    return std::ranges::any_of(
        user_arguments,
        [&](const std::string& argument)
        {
            return std::ranges::any_of(
                names, [&](std::string_view name)
                { return argument == name || argument.starts_with(std::string(name) + "="); });
        });
}

std::vector<std::string> remote_arguments(
    const std::vector<std::string>& user_arguments, const std::optional<std::string>& resume,
    const std::optional<std::string>& new_session_id)
{
    std::vector<std::string> out{
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--permission-prompt-tool",
        "stdio"};
    if (resume)
        out.insert(out.end(), {"--resume", *resume});
    else if (new_session_id)
        out.insert(out.end(), {"--session-id", *new_session_id});
    out.insert(out.end(), user_arguments.begin(), user_arguments.end());
    return out;
}

pipe_driver::pipe_driver(asio::any_io_executor executor, driver_events& events)
    : executor_(std::move(executor)),
      events_(&events),
      outgoing_changed_(executor_, asio::steady_timer::time_point::max()),
      readers_done_(executor_, asio::steady_timer::time_point::max())
{
}

std::shared_ptr<pipe_driver> pipe_driver::make(asio::any_io_executor executor, driver_events& events)
{
    return std::shared_ptr<pipe_driver>(new pipe_driver(std::move(executor), events));
}

asio::awaitable<result<void>> pipe_driver::start(driver_options options)
{
    options_ = std::move(options);
    auto child = child_process::spawn(executor_, options_.child);
    if (!child)
        co_return std::unexpected(child.error());
    child_ = std::move(*child);
    readers_ = 2;
    asio::co_spawn(executor_, read_output(shared_from_this()), asio::detached);
    asio::co_spawn(executor_, read_errors(shared_from_this()), asio::detached);
    asio::co_spawn(executor_, write_input(shared_from_this()), asio::detached);

    const auto usual = std::exchange(options_.control_timeout, options_.start_timeout);
    auto ready = co_await control("initialize");
    options_.control_timeout = usual;
    if (ready)
    {
        if (const auto mode = text_at(*ready, "current_permission_mode"); !mode.empty() && events_ != nullptr)
            events_->on_mode(mode);
        co_return result<void>();
    }
    if (ready.error() == errc::closed)
    {
        const auto exit = co_await ended();
        const auto words = last_words();
        co_return fail(errc::closed, "Claude Code ended with " + exit.text() + (words.empty() ? "." : ":\n" + words));
    }
    if (ready.error() == errc::timeout)
        co_return fail(
            errc::timeout,
            "Claude Code was started but has not answered in ten minutes. What holds it up is perhaps a hook of this "
            "folder or an MCP server: run `claude` here to see it.");
    co_return std::unexpected(ready.error());
}

void pipe_driver::write(const json::object& line)
{
    write_text(json::serialize(line));
}

void pipe_driver::write_text(std::string line)
{
    if (input_closing_)
        return;
    // Whole lines only: half a line, or one that is not JSON, ends the child.
    outgoing_.push_back(std::move(line) + "\n");
    outgoing_changed_.cancel();
}

asio::awaitable<void> pipe_driver::write_input(std::shared_ptr<pipe_driver> self)
{
    boost::system::error_code problem;
    for (;;)
    {
        while (self->outgoing_.empty() && !self->input_closing_)
            co_await self->outgoing_changed_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
        if (self->outgoing_.empty())
            break;
        const auto line = std::move(self->outgoing_.front());
        self->outgoing_.pop_front();
        co_await asio::async_write(
            self->child_->input(), asio::buffer(line), asio::redirect_error(asio::use_awaitable, problem));
        if (problem)
            break; // it has ended; read_output() notices too
    }
    self->input_closing_ = true;
    self->child_->input().close(problem);
}

void pipe_driver::close_input()
{
    input_closing_ = true;
    outgoing_changed_.cancel();
}

/// In the middle of a turn the end of its input would only be heard when that is over.
void pipe_driver::close()
{
    close_input();
    if (busy_ && child_)
        child_->signal(SIGTERM);
}

void pipe_driver::kill() noexcept
{
    if (child_)
        child_->signal(SIGKILL);
}

asio::awaitable<void> pipe_driver::read_output(std::shared_ptr<pipe_driver> self)
{
    for (;;)
    {
        boost::system::error_code problem;
        const auto room = self->lines_.prepare();
        const auto size = co_await self->child_->output().async_read_some(
            asio::buffer(room.data(), room.size()), asio::redirect_error(asio::use_awaitable, problem));
        if (problem)
            break;
        self->lines_.commit(size);
        while (const auto line = self->lines_.next())
            self->on_line(*line);
        if (self->partial_.pending() && self->events_ != nullptr)
            self->events_->on_partial();
        if (self->lines_.held() > line_bytes_max)
        {
            self->kill();
            break;
        }
    }
    --self->readers_;
    self->readers_done_.cancel();
    self->close_input();
    self->fail_waiting();
}

asio::awaitable<void> pipe_driver::read_errors(std::shared_ptr<pipe_driver> self)
{
    std::array<char, 4096> room{};
    for (;;)
    {
        boost::system::error_code problem;
        const auto size = co_await self->child_->errors().async_read_some(
            asio::buffer(room), asio::redirect_error(asio::use_awaitable, problem));
        if (problem)
            break;
        self->errors_.append(room.data(), size);
        if (self->errors_.size() > errors_bytes_max)
            self->errors_.erase(0, self->errors_.size() - errors_bytes_max);
    }
    --self->readers_;
    self->readers_done_.cancel();
}

asio::awaitable<child_exit> pipe_driver::ended()
{
    const auto self = shared_from_this();
    const auto exit = co_await child_->wait();
    // A grandchild may hold the pipes open for longer than the child lives: what comes then is not waited for.
    constexpr auto patience = std::chrono::seconds(2);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (readers_ > 0 && std::chrono::steady_clock::now() < deadline)
    {
        boost::system::error_code problem;
        readers_done_.expires_at(deadline);
        co_await readers_done_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    }
    boost::system::error_code ignored;
    child_->output().cancel(ignored);
    child_->errors().cancel(ignored);
    close_input();
    set_busy(false);
    co_return exit;
}

std::string pipe_driver::last_words() const
{
    auto words = trimmed(errors_);
    if (words.empty())
        words = failure_;
    return words;
}

void pipe_driver::prompt(const std::string& uuid, const std::string& text)
{
    write({{"type", "user"}, {"uuid", uuid}, {"message", json::object{{"role", "user"}, {"content", text}}}});
}

result<std::string> pipe_driver::prepare_answer(question_kind kind, std::string_view ask, const verdict& said) const
{
    return answer_to(kind, ask, said);
}

void pipe_driver::refuse(const question& asked, const std::string& why)
{
    answer(asked.request_id, refusal_of(asked.kind, why));
}

asio::awaitable<result<std::string>> pipe_driver::set_mode(std::string mode)
{
    const auto done = co_await control("set_permission_mode", {{"mode", mode}});
    if (!done)
        co_return std::unexpected(done.error());
    auto now = text_at(*done, "mode");
    co_return now.empty() ? mode : std::move(now);
}

asio::awaitable<result<void>> pipe_driver::set_model(std::string model)
{
    const auto done = co_await control("set_model", {{"model", model}});
    co_return done ? result<void>() : std::unexpected(done.error());
}

asio::awaitable<result<void>> pipe_driver::stop_task(std::string id)
{
    const auto done = co_await control("stop_task", {{"task_id", id}});
    co_return done ? result<void>() : std::unexpected(done.error());
}

void pipe_driver::answer(const std::string& request_id, std::string prepared)
{
    // It holds texts of others as they wrote them. Between values a line's end is a blank; inside of texts there is
    // none.
    std::ranges::replace_if(prepared, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    write_text(
        R"({"type":"control_response","response":{"subtype":"success","request_id":)" +
        json::serialize(json::value(request_id)) + R"(,"response":)" + prepared + "}}");
}

asio::awaitable<result<json::object>> pipe_driver::control(std::string subtype, json::object fields)
{
    const auto self = shared_from_this();
    if (!child_ || input_closing_)
        co_return fail(errc::closed, "Claude Code is not running.");
    const auto id = "consortium-" + std::to_string(next_request_++);
    fields["subtype"] = subtype;
    const auto mine = std::make_shared<waiting>(executor_);
    mine->arrived.expires_after(options_.control_timeout);
    waiting_.emplace(id, mine);
    write({{"type", "control_request"}, {"request_id", id}, {"request", std::move(fields)}});

    boost::system::error_code problem;
    if (!mine->outcome)
        co_await mine->arrived.async_wait(asio::redirect_error(asio::use_awaitable, problem));
    waiting_.erase(id);
    if (!mine->outcome)
        co_return fail(errc::timeout, "Claude Code does not answer to `" + subtype + "`.");
    co_return std::move(*mine->outcome);
}

asio::awaitable<result<std::vector<std::string>>> pipe_driver::stop_turn(std::vector<std::string> waiting)
{
    const auto self = shared_from_this();
    std::vector<std::string> too_late;
    for (const auto& uuid : waiting)
    {
        // Older versions do not know this request and say so; the interrupt itself is what counts.
        const auto cancelled = co_await control("cancel_async_message", {{"message_uuid", uuid}});
        if (!cancelled || !flag_at(*cancelled, "cancelled"))
            too_late.push_back(uuid);
        else if (events_ != nullptr)
            events_->on_prompt(uuid, prompt_step::dropped);
    }
    const auto done = co_await control("interrupt");
    if (!done)
        co_return std::unexpected(done.error());
    co_return too_late;
}

void pipe_driver::fail_waiting()
{
    for (auto& [id, each] : waiting_)
    {
        if (!each->outcome)
            each->outcome = fail(errc::closed, "Claude Code has ended.");
        each->arrived.cancel();
    }
}

void pipe_driver::set_busy(bool busy)
{
    if (busy_ == busy)
        return;
    busy_ = busy;
    if (events_ != nullptr)
        events_->on_busy(busy);
}

void pipe_driver::on_line(std::string_view text)
{
    if (events_ == nullptr || trimmed(text).empty())
        return;
    auto line = protocol::read_foreign_object(text);
    if (!line)
        return on_unreadable(text);
    const auto type = text_at(*line, "type");
    // Lines of a subagent are part of the conversation but not of its main thread.
    const bool main_thread = text_at(*line, "parent_tool_use_id").empty();

    if (type == "stream_event")
    {
        if (const auto* event = object_at(*line, "event"); event != nullptr && main_thread)
            partial_.on_event(*event);
    }
    else if (type == "assistant")
    {
        std::string block;
        if (const auto* message = object_at(*line, "message"); message != nullptr && main_thread)
            block = partial_.finish_block(text_at(*message, "id"));
        pass_on(std::move(*line), std::move(block));
    }
    else if (type == "user")
    {
        if (!flag_at(*line, "isReplay") || is_command_output(*line))
            pass_on(std::move(*line));
    }
    else if (type == "result")
    {
        if (const auto* errors = array_at(*line, "errors"); errors != nullptr && !errors->empty())
        {
            if (errors->front().is_string())
                failure_ = std::string(errors->front().get_string());
        }
        partial_.reset();
        pass_on(std::move(*line));
        // Claude Code calls itself running as long as a subagent in the background does: the next turn has its init.
        if (!has_state_events_ || background_)
            set_busy(false);
    }
    else if (type == "system")
        on_system(*line);
    else if (type == "control_request")
        on_control_request(*line, text);
    else if (type == "control_response")
        on_control_response(*line);
    else if (type == "control_cancel_request")
        events_->on_question_end(text_at(*line, "request_id"));
    else if (type == "command_lifecycle")
    {
        events_->on_prompt(text_at(*line, "command_uuid"), step_of(text_at(*line, "state")));
    }
    else if (type != "keep_alive" && is_due(*line))
        pass_on(std::move(*line));
}

void pipe_driver::pass_on(json::object line, std::string block)
{
    said out{{}, text_at(line, "uuid"), std::move(block), text_at(line, "parent_tool_use_id"), sayings_of(line)};
    out.line = std::move(line);
    events_->on_said(std::move(out));
}

/// Lines that only say how far something has come are passed on now and then; all others always.
bool pipe_driver::is_due(const json::object& line)
{
    constexpr std::array progress{"tool_progress", "thinking_tokens", "task_progress", "hook_progress"};
    const auto type = text_at(line, "type");
    const auto kind = type == "system" ? text_at(line, "subtype") : type;
    if (std::ranges::find(progress, kind) == progress.end())
        return true;
    auto key = kind;
    for (const auto* name : {"tool_use_id", "task_id", "hook_id"})
        key += " " + text_at(line, name);
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(progress_, [&](const auto& each) { return now - each.second >= progress_interval; });
    return progress_.size() < progress_max && progress_.emplace(key, now).second;
}

void pipe_driver::on_system(json::object& line)
{
    const auto subtype = text_at(line, "subtype");
    if (subtype == "session_state_changed")
    {
        has_state_events_ = true;
        // While it waits for an answer the turn goes on: only these two words start and end one.
        const auto state = text_at(line, "state");
        // It is running again after an answer, which may have been a subagent's in the background.
        if (state == "idle" || (state == "running" && !running_))
            set_busy(running_ = state == "running");
        return;
    }
    if (subtype == "status")
    {
        if (const auto mode = text_at(line, "permissionMode"); !mode.empty())
            events_->on_mode(mode);
        const auto status = text_at(line, "status");
        const bool compaction = line.contains("compact_result") || line.contains("compact_error");
        if (!compaction && (status.empty() || status == "requesting"))
            return;
    }
    if (subtype == "session_title_changed")
    {
        if (const auto title = text_at(line, "title"); !title.empty())
            events_->on_title(title);
        return;
    }
    if (subtype == "background_tasks_changed")
    {
        auto tasks = tasks_of(line);
        background_ = !tasks.empty();
        return events_->on_background(std::move(tasks));
    }
    if (subtype == "init")
    {
        if (!has_state_events_ || running_)
            set_busy(true);
        if (const auto id = text_at(line, "session_id"); !id.empty() && id != session_id_)
        {
            session_id_ = id;
            events_->on_conversation(id);
        }
        if (const auto model = text_at(line, "model"); !model.empty())
            events_->on_model(model);
        if (const auto mode = text_at(line, "permissionMode"); !mode.empty())
            events_->on_mode(mode);
    }
    if (is_due(line))
        pass_on(std::move(line));
}

void pipe_driver::on_control_request(const json::object& line, std::string_view text)
{
    const auto id = text_at(line, "request_id");
    const auto* request = object_at(line, "request");
    if (request != nullptr)
    {
        if (auto asked = parse_question(id, *request, protocol::raw_member(text, "request").value_or("")))
            return events_->on_question(std::move(*asked));
        events_->on_unknown_request(text_at(*request, "subtype"));
    }
    refuse_request(id, "Consortium does not know this request.");
}

/// An unanswered request would hold the turn up for ever.
void pipe_driver::refuse_request(const std::string& id, const char* why)
{
    write(
        {{"type", "control_response"},
         {"response", json::object{{"subtype", "error"}, {"request_id", id}, {"error", why}}}});
}

/// No JSON at all: a warning of a tool, or a line that something tore. What it was to be is guessed from its words,
/// so that nothing waits for it.
void pipe_driver::on_unreadable(std::string_view text)
{
    const auto speaks_of = [&](std::string_view words) { return text.find(words) != std::string_view::npos; };
    if (text.starts_with('{'))
    {
        const auto id = word_behind(text, "\"request_id\":\"");
        if (const auto found = waiting_.find(id); found != waiting_.end() && !found->second->outcome)
        {
            found->second->outcome = fail(errc::bad_request, "What Claude Code answered cannot be read.");
            found->second->arrived.cancel();
        }
        else if (!id.empty() && speaks_of("\"control_request\""))
            refuse_request(id, "Consortium cannot read this request.");
        const bool is_end = has_state_events_ ? speaks_of("\"session_state_changed\"") && speaks_of("\"idle\"")
                                              : speaks_of("\"type\":\"result\"");
        if (is_end)
        {
            partial_.reset();
            set_busy(running_ = false);
        }
    }
    events_->on_unreadable(text);
}

void pipe_driver::on_control_response(const json::object& line)
{
    const auto* response = object_at(line, "response");
    if (response == nullptr)
        return;
    const auto found = waiting_.find(text_at(*response, "request_id"));
    if (found == waiting_.end() || found->second->outcome)
        return;
    if (text_at(*response, "subtype") == "success")
    {
        const auto* body = object_at(*response, "response");
        found->second->outcome = body != nullptr ? *body : json::object();
    }
    else
        found->second->outcome = fail(errc::bad_request, text_at(*response, "error"));
    found->second->arrived.cancel();
}

} // namespace consortium::agent::claude
