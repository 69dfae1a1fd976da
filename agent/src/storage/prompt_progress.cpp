#include "storage/prompt_progress.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

auto damaged()
{
    return fail(errc::corrupt, "What is remembered of the session's prompts is damaged.");
}

result<e2ee::bundle_id> id_at(const json::object& object, std::string_view name)
{
    const auto id = base64_decode(text_at(object, name));
    if (!id || id->size() != sizeof(e2ee::bundle_id))
        return damaged();
    return to_array<sizeof(e2ee::bundle_id)>(*id);
}

void write_moment(json::object& out, const boot_time& at)
{
    out["boot"] = at.boot;
    out["moment"] = at.at.count();
}
boot_time read_moment(const json::object& object)
{
    return {text_at(object, "boot"), std::chrono::milliseconds(number_at(object, "moment"))};
}

json::object write_prompt(const kept_prompt& prompt)
{
    json::object out{
        {"id", prompt.id},
        {"from", prompt.from},
        {"n", prompt.n},
        {"bundle", prompt.bundle},
        {"came", prompt.came.time}};
    write_moment(out, prompt.came.moment);
    return out;
}
result<kept_prompt> read_prompt(const json::object& object)
{
    kept_prompt out{
        text_at(object, "id"),
        text_at(object, "from"),
        static_cast<std::uint64_t>(number_at(object, "n")),
        text_at(object, "bundle"),
        {number_at(object, "came"), read_moment(object)}};
    if (out.id.empty() || out.bundle.empty())
        return damaged();
    return out;
}

json::object write_each(const kept_prompt& each)
{
    return write_prompt(each);
}
json::object write_each(const held_prompt& each)
{
    auto out = write_prompt(each.prompt);
    out["why"] = word(each.why);
    return out;
}
json::object write_each(const accepted_prompt& each)
{
    auto out = write_prompt(each.prompt);
    out["late"] = each.late;
    return out;
}
json::object write_each(const taken_back_prompt& each)
{
    return {{"id", each.id}, {"from", each.from}, {"n", each.n}};
}

result<void> read_each(const json::object& object, kept_prompt& out)
{
    auto prompt = read_prompt(object);
    if (!prompt)
        return std::unexpected(prompt.error());
    out = std::move(*prompt);
    return {};
}
result<void> read_each(const json::object& object, held_prompt& out)
{
    const auto why = hold_reason_of(text_at(object, "why"));
    if (!why)
        return damaged();
    out.why = *why;
    return read_each(object, out.prompt);
}
result<void> read_each(const json::object& object, accepted_prompt& out)
{
    out.late = flag_at(object, "late");
    return read_each(object, out.prompt);
}
result<void> read_each(const json::object& object, taken_back_prompt& out)
{
    if (const auto id = id_at(object, "id"); !id)
        return std::unexpected(id.error());
    out = {text_at(object, "id"), text_at(object, "from"), static_cast<std::uint64_t>(number_at(object, "n"))};
    return {};
}

template <class T>
json::array write_all(const std::deque<T>& list)
{
    json::array out;
    for (const auto& each : list)
        out.push_back(write_each(each));
    return out;
}
template <class T>
result<void> read_all(const json::object& from, std::string_view name, std::deque<T>& list)
{
    const auto* array = array_at(from, name);
    if (array == nullptr)
        return damaged();
    for (const auto& each : *array)
    {
        const auto* object = each.if_object();
        if (object == nullptr)
            return damaged();
        if (const auto read = read_each(*object, list.emplace_back()); !read)
            return read;
    }
    return {};
}

} // namespace

std::size_t prompt_progress::kept_bytes() const noexcept
{
    std::size_t out = 0;
    for (const auto* list : {&early, &come})
    {
        for (const auto& each : *list)
            out += each.bundle.size();
    }
    for (const auto& each : held)
        out += each.prompt.bundle.size();
    for (const auto& each : in_hand)
        out += each.prompt.bundle.size();
    return out;
}

json::object write_prompts(const prompt_progress& prompts)
{
    json::object senders;
    for (const auto& [from, at] : prompts.senders.positions())
        senders[from] = json::object{{"n", at.n}, {"id", base64_encode(at.id)}};
    json::object out{
        {"log", prompts.log},
        {"lastSeq", prompts.last_seq},
        {"lastHash", prompts.last_hash},
        {"readingAnew", prompts.reading_anew},
        {"senders", std::move(senders)},
        {"early", write_all(prompts.early)},
        {"come", write_all(prompts.come)},
        {"held", write_all(prompts.held)},
        {"inHand", write_all(prompts.in_hand)},
        {"takenBack", write_all(prompts.taken_back)}};
    if (const auto& end = prompts.end)
    {
        json::object value{{"id", base64_encode(end->id)}, {"stopped", end->stopped}, {"said", end->said}};
        write_moment(value, end->at);
        out["end"] = std::move(value);
    }
    return out;
}

result<prompt_progress> read_prompts(const json::object& object)
{
    prompt_progress out;
    out.log = text_at(object, "log");
    out.last_seq = number_at(object, "lastSeq");
    out.last_hash = text_at(object, "lastHash");
    out.reading_anew = flag_at(object, "readingAnew");
    const auto* senders = object_at(object, "senders");
    if (senders == nullptr)
        return damaged();
    for (const auto& [from, value] : *senders)
    {
        const auto* at = value.if_object();
        const auto id = at != nullptr ? id_at(*at, "id") : result<e2ee::bundle_id>(damaged());
        if (!id)
            return std::unexpected(id.error());
        out.senders.set(from, {static_cast<std::uint64_t>(number_at(*at, "n")), *id});
    }
    for (const auto& read :
         {read_all(object, "early", out.early), read_all(object, "come", out.come), read_all(object, "held", out.held),
          read_all(object, "inHand", out.in_hand), read_all(object, "takenBack", out.taken_back)})
    {
        if (!read)
            return std::unexpected(read.error());
    }
    if (const auto* end = object_at(object, "end"))
    {
        const auto id = id_at(*end, "id");
        if (!id)
            return std::unexpected(id.error());
        out.end = turn_end{*id, read_moment(*end), flag_at(*end, "stopped"), flag_at(*end, "said")};
    }
    return out;
}

} // namespace consortium::agent
