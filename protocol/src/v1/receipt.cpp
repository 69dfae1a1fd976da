#include "consortium/protocol/v1/receipt.hpp"
#include "consortium/common/base64.hpp"
#include <charconv>
#include <vector>

namespace consortium::protocol::v1
{
namespace
{

constexpr std::string_view first_line = "consortium deletion receipt 1";

std::unexpected<error> malformed()
{
    return fail(errc::bad_request, "not the text of a deletion receipt");
}

/// Takes a text apart line by line and remembers whether all was well.
class line_reader
{
public:
    explicit line_reader(std::string_view text) : rest_(text) {}

    /// What follows `label` and a space on the next line; with an empty label all of the line.
    std::string_view line(std::string_view label)
    {
        const auto end = rest_.find('\n');
        if (end == std::string_view::npos)
            return wrong();
        auto out = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        if (label.empty())
            return out;
        if (!out.starts_with(label) || out.substr(label.size(), 1) != " ")
            return wrong();
        out.remove_prefix(label.size() + 1);
        return out;
    }
    template <class Number>
    Number number(std::string_view text)
    {
        Number out{};
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (ec != std::errc() || end != text.data() + text.size() || std::to_string(out) != text)
            wrong();
        return out;
    }
    template <class Id>
    Id id(std::string_view text)
    {
        const auto out = parse_uuid<Id>(text);
        if (!out)
            wrong();
        return out.value_or(Id{});
    }
    /// The two parts of a text around `separator`.
    std::pair<std::string_view, std::string_view> split(std::string_view text, std::string_view separator)
    {
        const auto at = text.find(separator);
        if (at == std::string_view::npos)
            return {wrong(), {}};
        return {text.substr(0, at), text.substr(at + separator.size())};
    }
    std::string_view wrong()
    {
        failed_ = true;
        return {};
    }
    bool next_is(std::string_view label) const { return rest_.starts_with(label); }
    bool finished() const { return rest_.empty() && !failed_; }

private:
    std::string_view rest_;
    bool failed_ = false;
};

} // namespace

std::string deletion_receipt::text() const
{
    std::string out(first_line);
    const auto line = [&](std::string_view content)
    {
        out += '\n';
        out += content;
    };
    const auto revisions = "revisions " + std::to_string(created) + " to " + std::to_string(deleted);
    line(head.origin);
    if (const auto* gone = std::get_if<deleted_session>(&what))
    {
        line("session " + to_string(gone->id));
        line(revisions);
        line("messages " + std::to_string(gone->messages));
    }
    else
    {
        const auto& all = std::get<deleted_account>(what);
        line("account " + to_string(all.id));
        line(revisions);
        line("sessions " + std::to_string(all.sessions));
        line("machines " + std::to_string(all.machines));
    }
    line("time " + std::to_string(time));
    line("checkpoint " + std::to_string(head.size) + " " + base64_encode(head.root));
    out += '\n';
    return out;
}

result<deletion_receipt> deletion_receipt::parse(std::string_view text)
{
    line_reader lines(text);
    deletion_receipt out;
    if (lines.line({}) != first_line)
        return malformed();
    out.head.origin = lines.line({});
    const auto read_revisions = [&]
    {
        const auto [from, to] = lines.split(lines.line("revisions"), " to ");
        out.created = lines.number<std::uint64_t>(from);
        out.deleted = lines.number<std::uint64_t>(to);
    };
    if (lines.next_is("session "))
    {
        deleted_session gone;
        gone.id = lines.id<session_id>(lines.line("session"));
        read_revisions();
        gone.messages = lines.number<std::uint64_t>(lines.line("messages"));
        out.what = gone;
    }
    else
    {
        deleted_account gone;
        gone.id = lines.id<account_id>(lines.line("account"));
        read_revisions();
        gone.sessions = lines.number<std::uint64_t>(lines.line("sessions"));
        gone.machines = lines.number<std::uint64_t>(lines.line("machines"));
        out.what = gone;
    }
    out.time = lines.number<std::int64_t>(lines.line("time"));
    const auto [size, root] = lines.split(lines.line("checkpoint"), " ");
    out.head.size = lines.number<std::uint64_t>(size);
    const auto hash = base64_decode(root);
    if (!lines.finished() || out.head.origin.empty() || !hash || hash->size() != sizeof(digest256))
        return malformed();
    out.head.root = to_array<32>(*hash);
    return out;
}

result<deletion_receipt> open_receipt(std::string_view signed_note, const note::verifier& by)
{
    const auto text = note::open(signed_note, by);
    if (!text)
        return std::unexpected(text.error());
    auto out = deletion_receipt::parse(*text);
    if (out && out->head.origin != by.name)
        return fail(errc::corrupt, "the receipt is of another log than its signer's");
    return out;
}

} // namespace consortium::protocol::v1
