#include "session/approvals.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/protocol/raw_json.hpp"
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

// An ask of many quotes grows when it is written into a message: this much still fits, in base64 and with all around.
constexpr std::size_t written_bytes_max = limits::message_bytes_max / 4 * 3 - (4u << 10);
constexpr std::size_t refused_subject_max = 1000; // of what was refused, for people

} // namespace

std::string tool_line(const std::string& tool, const json::object& arguments)
{
    for (const auto* name : {"command", "file_path", "path", "pattern", "url", "query", "description", "prompt"})
    {
        const auto value = text_at(arguments, name);
        if (value.empty())
            continue;
        const auto others = arguments.size() - 1;
        return tool + (others == 0 ? "  " : " (and " + std::to_string(others) + " more)  ") + value;
    }
    return tool + "  " + json::serialize(arguments);
}

result<std::string> approvals::open(question asked, executor carry_out)
{
    const auto is_taken = [&]
    {
        const auto same = open_.find(asked.id());
        return same != open_.end() && same->second.asked.request_id != asked.request_id;
    };
    // Of two about one call, each is a question of its own: the first would wait for an answer for ever.
    if (is_taken())
        asked.tool_use_id.clear();
    if (is_taken())
        return fail(errc::conflict, "Another question that is open has its name.");
    auto id = asked.id();
    if (id.size() > limits::ask_id_bytes_max)
        return fail(errc::too_large, "The question has a name that is too long.");
    if (open_.size() == limits::asks_open_max && !open_.contains(id))
        return fail(errc::overloaded, "Too many questions are open.");
    open_question made;
    made.ask = make_ask(asked, e2ee::make_random_name(), directory_);
    if (made.ask.size() > limits::ask_bytes_max || json::serialize(json::value(made.ask)).size() > written_bytes_max)
        return fail(errc::too_large, "The question is too large to be shown to a person.");
    made.asked = std::move(asked);
    made.hash = e2ee::ask_hash(made.ask);
    made.since = clock_.now();
    made.carry_out = std::move(carry_out);
    auto& kept = open_.insert_or_assign(id, std::move(made)).first->second;
    if (needs_message(kept))
        kept.message = base64_encode(feed_.tell({{"type", "ask"}, {"id", id}, {"ask", kept.ask}}));
    changed();
    return id;
}

bool approvals::needs_message(const open_question& made) const
{
    return made.ask.size() > limits::ask_in_state_bytes_max ||
           json::serialize(to_json()).size() > limits::asks_state_bytes_max;
}

void approvals::ask(question asked, const std::shared_ptr<driver>& program)
{
    const auto what = (asked.subagent.empty() ? "" : "a subagent: ") + tool_line(asked.tool, asked.arguments);
    const auto opened = open(
        asked,
        [this, program, request_id = asked.request_id, tool = asked.tool](const verdict& said, std::string prepared)
        {
            program->answer(request_id, std::move(prepared));
            out_.line(said.made == decision::approved ? "allowed" : "denied", tool + "  " + said.reason);
        });
    if (opened)
        return out_.line("waiting", "(answer in the dashboard) " + what);
    const auto words = opened.error().detail + " It was refused: " + what.substr(0, refused_subject_max);
    out_.line("refused", words);
    program->refuse(asked, opened.error().detail);
    feed_.tell_words(words);
}

void approvals::close(const std::string& id)
{
    if (open_.erase(id) > 0)
        changed();
}

void approvals::close_request(const std::string& request_id)
{
    if (std::erase_if(open_, [&](const auto& each) { return each.second.asked.request_id == request_id; }) > 0)
        changed();
}

void approvals::close_all()
{
    open_.clear();
    changed();
}

result<json::value> approvals::take(const accepted_call& call, const driver& program)
{
    const auto said = parse_verdict(call.d, protocol::raw_member(call.act->text, "d").value_or(""));
    if (!said)
        return std::unexpected(said.error());
    const auto found = open_.find(said->id);
    if (found == open_.end() || found->second.hash != said->ask)
        return fail(errc::not_found, "This question is not open any more.");
    auto prepared = program.prepare_answer(found->second.asked.kind, found->second.ask, *said);
    if (!prepared)
        return std::unexpected(prepared.error());
    const auto answered = std::move(found->second);
    open_.erase(found);
    feed_.tell(
        {{"type", "approval"},
         {"ask", answered.message.empty() ? json::value(answered.ask) : json::value(nullptr)},
         {"id", base64_encode(call.id)},
         {"text", call.act->text},
         {"device", base64_encode(call.act->device)},
         {"signature", base64_encode(call.act->signature)}});
    answered.carry_out(*said, std::move(*prepared));
    changed();
    return json::object();
}

json::object approvals::to_json() const
{
    json::object out;
    for (const auto& [id, each] : open_)
    {
        if (each.message.empty())
            out[id] = json::object{{"ask", each.ask}, {"createdAt", each.since}};
        else
            out[id] =
                json::object{{"ask", nullptr}, {"hash", each.hash}, {"in", each.message}, {"createdAt", each.since}};
    }
    return out;
}

void approvals::changed() const
{
    if (on_change)
        on_change();
}

} // namespace consortium::agent
