#include "drivers/claude/arguments.hpp"
#include <algorithm>
#include <optional>
#include <utility>

namespace consortium::agent::claude
{
namespace
{

bool is_option(std::string_view word)
{
    return word.size() > 1 && word.starts_with('-');
}

bool has_white_space(std::string_view word)
{
    return word.find_first_of(" \t\r\n") != std::string_view::npos;
}

/// The places of what is neither an option nor the value of one, as Claude itself reads them.
std::vector<std::size_t> positionals(std::span<const std::string> words, const manual& known)
{
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < words.size(); ++i)
    {
        if (!is_option(words[i]))
        {
            out.push_back(i);
            continue;
        }
        const auto option = known.options.find(words[i]);
        if (option == known.options.end())
            continue; // with its value behind a =, or unknown
        const auto more = [&] { return i + 1 < words.size() && !is_option(words[i + 1]); };
        switch (option->second)
        {
        case manual::takes::nothing:
            break;
        case manual::takes::one:
            ++i;
            break;
        case manual::takes::perhaps_one:
            i += more() ? 1 : 0;
            break;
        case manual::takes::many:
            while (more())
                ++i;
            break;
        }
    }
    return out;
}

bool names(std::span<const std::string> words, std::initializer_list<std::string_view> options)
{
    return std::ranges::any_of(
        words, [&](std::string_view word)
        { return std::ranges::any_of(options, [&](auto one) { return word.substr(0, word.find('=')) == one; }); });
}

/// How many letters have to be added, taken away or changed (Levenshtein).
std::size_t distance(std::string_view from, std::string_view to)
{
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j)
        row[j] = j;
    for (std::size_t i = 1; i <= from.size(); ++i)
    {
        auto diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= to.size(); ++j)
        {
            const auto changed = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
        }
    }
    return row.back();
}

std::optional<std::string>
nearest(const std::string& word, const manual& known, std::span<const std::string> own_commands)
{
    constexpr std::size_t far = 3;
    std::optional<std::string> out;
    auto least = far;
    const auto consider = [&](const std::string& command)
    {
        if (const auto away = distance(word, command); away < std::min(least, command.size()))
        {
            least = away;
            out = command;
        }
    };
    std::ranges::for_each(own_commands, consider);
    std::ranges::for_each(known.commands, consider);
    return out;
}

error unknown_word(const std::string& word, const manual& known, std::span<const std::string> own_commands)
{
    auto text = "\"" + word + "\" is no command of consortium or of Claude Code.";
    if (const auto meant = nearest(word, known, own_commands))
        text += " Did you mean `consortium " + *meant + "`?";
    return {errc::bad_request, text + "\nTo begin a session with it as the prompt: consortium -- " + word, {}};
}

constexpr auto own_format =
    "Consortium speaks with Claude Code in a format of its own, so that your browser can follow: --input-format and "
    "--output-format go with -p only, which runs Claude Code by itself, and nothing of it is relayed.";
constexpr auto one_prompt = "A session begins with one prompt. Put it in quotes: consortium \"...\"";

} // namespace

result<invocation> read_invocation(
    const std::vector<std::string>& words, const std::vector<std::string>& behind, const manual& known,
    std::span<const std::string> own_commands)
{
    auto all = words;
    all.insert(all.end(), behind.begin(), behind.end());
    const auto places = positionals(all, known);
    const bool command =
        !places.empty() && places.front() < words.size() && known.commands.contains(all[places.front()]);
    if (command || names(all, {"-p", "--print", "-v", "--version", "-h", "--help"}))
        return invocation{.alone = true, .arguments = std::move(all), .prompt = {}};
    if (names(all, {"--output-format", "--input-format"}))
        return fail(errc::bad_request, own_format);
    if (places.size() > 1)
        return fail(errc::bad_request, one_prompt);
    invocation out{.alone = false, .arguments = std::move(all), .prompt = {}};
    if (places.empty())
        return out;
    const auto at = out.arguments.begin() + static_cast<std::ptrdiff_t>(places.front());
    if (places.front() < words.size() && !has_white_space(*at))
        return std::unexpected(unknown_word(*at, known, own_commands));
    out.prompt = std::move(*at);
    out.arguments.erase(at);
    return out;
}

} // namespace consortium::agent::claude
