#include "drivers/claude/conversation.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "base/trim_line.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/utf8.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "drivers/claude/transcript.hpp"
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>

namespace consortium::agent::claude
{
namespace json = boost::json;
namespace
{

/// The value of `word` where it is this option, behind a = or as the next word, which then counts as read.
struct option_reader
{
    const std::vector<std::string>& words;
    std::size_t at = 0;

    bool is(std::string_view name) const { return words[at] == name || words[at].starts_with(std::string(name) + "="); }
    std::string value()
    {
        const auto& word = words[at];
        if (const auto equals = word.find('='); equals != std::string::npos)
            return word.substr(equals + 1);
        const bool follows = at + 1 < words.size() && !words[at + 1].starts_with('-');
        return follows ? words[++at] : std::string();
    }
};

/// The units of UTF-16, in which Claude Code counts.
std::u16string utf16_of(std::string_view text)
{
    std::u16string out;
    while (!text.empty())
    {
        const auto c = take_utf8(text);
        if (c > 0xffff)
            out.push_back(static_cast<char16_t>(0xd7c0 + (c >> 10)));
        out.push_back(static_cast<char16_t>(c > 0xffff ? 0xdc00 + (c & 0x3ff) : c));
    }
    return out;
}

std::string in_base_36(std::int64_t number)
{
    std::array<char, 16> out{};
    return {out.data(), std::to_chars(out.data(), out.data() + out.size(), number, 36).ptr};
}

/// 0 for what is no such time. "2026-11-23T05:27:04.616Z"
unix_millis time_of(const std::string& text)
{
    using namespace std::chrono;
    int y = 0;
    unsigned mo = 0;
    unsigned d = 0;
    int h = 0;
    int mi = 0;
    int s = 0;
    int ms = 0;
    if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d.%3dZ", &y, &mo, &d, &h, &mi, &s, &ms) < 6)
        return 0;
    const year_month_day date{year{y}, month{mo}, day{d}};
    if (!date.ok())
        return 0;
    return duration_cast<milliseconds>(
               sys_days(date).time_since_epoch() + hours(h) + minutes(mi) + seconds(s) + milliseconds(ms))
        .count();
}

/// Pictures are large, and of no use when they are cut.
void leave_out_pictures(json::value& value)
{
    if (auto* array = value.if_array())
    {
        for (auto& each : *array)
            leave_out_pictures(each);
    }
    else if (auto* object = value.if_object())
    {
        if (text_at(*object, "type") == "image")
            *object = {{"type", "text"}, {"text", "[image]"}};
        for (auto& each : *object)
            leave_out_pictures(each.value());
    }
}

void keep(json::object& out, const json::object& line, std::string_view from, std::string_view as)
{
    if (const auto* value = line.if_contains(from))
        out[as] = *value;
}

/// Of a tool's result: what was decided about the call, in the words of the output.
void keep_decision(json::object& out, const json::object& line)
{
    const auto* message = object_at(line, "message");
    const auto* content = message != nullptr ? array_at(*message, "content") : nullptr;
    const auto* result = content != nullptr && !content->empty() ? content->front().if_object() : nullptr;
    if (result == nullptr || text_at(*result, "type") != "tool_result")
        return;
    json::object meta{{"id", text_at(*result, "tool_use_id")}};
    keep(meta, line, "permissionDecision", "permission_decision");
    keep(meta, line, "toolDenialKind", "non_execution_kind");
    out["tool_result_meta"] = json::array{std::move(meta)};
}

/// A line of the record as Claude's output would have it. Empty for what is no part of the talk.
std::optional<json::object> as_output(const json::object& line)
{
    const auto type = text_at(line, "type");
    const bool boundary = type == "system" && text_at(line, "subtype") == "compact_boundary";
    if (flag_at(line, "isSidechain") || (type != "user" && type != "assistant" && !boundary))
        return std::nullopt;
    json::object out{{"type", type}, {"parent_tool_use_id", nullptr}};
    for (const auto* name : {"uuid", "timestamp", "subtype", "message", "isMeta", "error", "promptSource"})
        keep(out, line, name, name);
    keep(out, line, "isApiErrorMessage", "is_api_error_message");
    keep(out, line, "isCompactSummary", "isSynthetic");
    keep_decision(out, line);
    keep(out, line, "toolUseResult", "tool_use_result");
    json::value whole = std::move(out);
    leave_out_pictures(whole);
    for (auto text_bytes_max = limits::earlier_text_bytes_max;
         json::serialize(whole).size() > limits::earlier_line_bytes_max && text_bytes_max > 64; text_bytes_max /= 4)
        cut_texts(whole, text_bytes_max);
    if (json::serialize(whole).size() > limits::earlier_line_bytes_max)
        return json::object{{"type", "line too large"}, {"uuid", text_at(line, "uuid")}};
    return std::move(whole.get_object());
}

} // namespace

conversation_choice read_choice(const std::vector<std::string>& arguments)
{
    using kind = conversation_choice::kind;
    conversation_choice out;
    for (option_reader word{arguments}; word.at < arguments.size(); ++word.at)
    {
        if (word.is("--resume") || word.is("-r"))
        {
            out.id = word.value();
            out.what = out.id.empty() ? kind::unnamed : kind::named;
        }
        else if (word.is("--continue") || word.is("-c"))
            out.what = kind::newest;
        else if (word.is("--fork-session"))
            out.copied = true;
        else if (word.is("--session-id") || word.is("--from-pr"))
        {
            // With a copy it only says how that one is called.
            if (out.what == kind::none)
                out.what = kind::other;
            out.arguments.push_back(arguments[word.at]);
        }
        else
            out.arguments.push_back(arguments[word.at]);
    }
    if (out.what == kind::other)
        out.arguments = arguments;
    return out;
}

std::string folder_name(std::string_view directory)
{
    constexpr std::size_t name_max = 200;
    std::string out;
    std::uint32_t hash = 0;
    for (const auto unit : utf16_of(directory))
    {
        const bool plain =
            (unit >= u'0' && unit <= u'9') || (unit >= u'A' && unit <= u'Z') || (unit >= u'a' && unit <= u'z');
        out.push_back(plain ? static_cast<char>(unit) : '-');
        hash = hash * 31 + unit;
    }
    if (out.size() <= name_max)
        return out;
    return out.substr(0, name_max) + "-" + in_base_36(std::abs(std::int64_t{static_cast<std::int32_t>(hash)}));
}

std::optional<std::string>
newest_conversation(const std::vector<std::string>& environment, const std::filesystem::path& directory)
{
    std::error_code problem;
    const auto real = std::filesystem::canonical(directory, problem);
    const auto name = folder_name(real.string());
    if (problem)
        return std::nullopt;
    std::optional<std::string> newest;
    std::filesystem::file_time_type last;
    for (const auto& each : std::filesystem::directory_iterator(projects_folder(environment) / name, problem))
    {
        const auto id = each.path().stem().string();
        std::error_code ignored;
        const auto written = each.last_write_time(ignored);
        if (ignored || each.path().extension() != ".jsonl" || !parse_uuid<message_id>(id) ||
            (newest && written <= last) || !holds_a_prompt(each.path()))
            continue;
        newest = id;
        last = written;
    }
    return newest;
}

result<earlier_talk> read_earlier(const std::filesystem::path& transcript, unix_millis after)
{
    std::ifstream file(transcript, std::ios::binary);
    earlier_talk out;
    std::deque<std::pair<json::object, std::size_t>> kept;
    std::size_t size = 0;
    std::string line;
    while (std::getline(file, line))
    {
        if (!may_be_said(line))
            continue;
        const auto object = protocol::read_foreign_object(line);
        if (!object || (after > 0 && time_of(text_at(*object, "timestamp")) <= after))
            continue;
        auto told = as_output(*object);
        if (!told)
            continue;
        const auto bytes = json::serialize(*told).size();
        kept.emplace_back(std::move(*told), bytes);
        size += bytes;
        while (size > limits::earlier_bytes_max || kept.size() > limits::earlier_lines_max)
        {
            size -= kept.front().second;
            kept.pop_front();
            ++out.left_out;
        }
    }
    if (!file.eof())
        return fail(errc::io, "cannot read " + transcript.string());
    for (auto& each : kept)
        out.lines.push_back(std::move(each.first));
    return out;
}

} // namespace consortium::agent::claude
