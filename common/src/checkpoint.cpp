#include "consortium/common/checkpoint.hpp"
#include "consortium/common/base64.hpp"
#include <algorithm>
#include <charconv>
#include <optional>

namespace consortium
{
namespace
{

constexpr std::uint8_t ed25519_algorithm = 0x01;
constexpr std::string_view signature_mark = "\u2014 "; // em dash, space
constexpr std::size_t note_bytes_max = 1u << 20;

/// Cuts off and returns what stands before the next `end`; empty optional when there is none.
std::optional<std::string_view> take_until(std::string_view& from, char end)
{
    const auto at = from.find(end);
    if (at == std::string_view::npos)
        return std::nullopt;
    const auto out = from.substr(0, at);
    from.remove_prefix(at + 1);
    return out;
}

bool is_name(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
}

bool is_printable(std::string_view text)
{
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\n'; });
}

bytes tagged_key(const ed25519_public& key)
{
    bytes out{ed25519_algorithm};
    append(out, key);
    return out;
}

} // namespace

namespace note
{

byte_array<4> verifier::id() const
{
    return to_array<4>(sha256({consortium::view(name), consortium::view("\n"), tagged_key(key)}));
}

std::string verifier::text() const
{
    return name + "+" + hex_encode(id()) + "+" + base64_encode(tagged_key(key));
}

result<verifier> verifier::parse(std::string_view text)
{
    const auto refuse = [] { return fail(errc::bad_request, "not a verifier key"); };
    const auto named = take_until(text, '+');
    const auto id = named ? take_until(text, '+') : std::nullopt;
    if (!id || !is_name(*named))
        return refuse();
    const auto key = base64_decode(text);
    if (!key || key->size() != 33 || key->front() != ed25519_algorithm)
        return refuse();
    verifier out{std::string(*named), to_array<32>(byte_view(*key).subspan(1))};
    if (hex_encode(out.id()) != *id)
        return refuse();
    return out;
}

std::string sign(std::string_view text, const std::string& name, const ed25519_key& key)
{
    CONSORTIUM_ASSERT(text.ends_with('\n') && is_name(name));
    bytes signature = to_bytes(verifier{name, key.public_key()}.id());
    append(signature, key.sign(consortium::view(text)));
    std::string out(text);
    out += '\n';
    out += signature_mark;
    out += name + " " + base64_encode(signature) + "\n";
    return out;
}

result<std::string> open(std::string_view signed_note, const verifier& by)
{
    const auto refuse = [] { return fail(errc::bad_request, "not a signed note"); };
    if (signed_note.size() > note_bytes_max || !is_printable(signed_note) || !signed_note.ends_with('\n'))
        return refuse();
    // The signatures stand behind the last blank line.
    const auto blank = signed_note.rfind("\n\n");
    if (blank == std::string_view::npos)
        return refuse();
    const auto body = signed_note.substr(0, blank + 1);
    auto rest = signed_note.substr(blank + 2);
    if (rest.empty())
        return refuse();
    const auto id = by.id();
    while (auto line = take_until(rest, '\n'))
    {
        if (!line->starts_with(signature_mark))
            return refuse();
        line->remove_prefix(signature_mark.size());
        const auto named = take_until(*line, ' ');
        const auto signature = named ? base64_decode(*line) : result<bytes>(refuse());
        if (!signature || signature->size() < id.size() + 1 || !is_name(*named))
            return refuse();
        const byte_view all(*signature);
        if (*named != by.name || to_array<4>(all) != id)
            continue;
        if (!ed25519_verify(by.key, consortium::view(body), all.subspan(id.size())))
            return fail(errc::corrupt, "the note's signature does not fit");
        return std::string(body);
    }
    return fail(errc::corrupt, "the note is not signed by " + by.name);
}

} // namespace note

std::string checkpoint::text() const
{
    return origin + "\n" + std::to_string(size) + "\n" + base64_encode(root) + "\n";
}

result<checkpoint> checkpoint::parse(std::string_view text)
{
    const auto refuse = [] { return fail(errc::bad_request, "not a checkpoint"); };
    const auto origin = take_until(text, '\n');
    const auto size = origin ? take_until(text, '\n') : std::nullopt;
    const auto root = size ? take_until(text, '\n') : std::nullopt;
    if (!root || origin->empty())
        return refuse();
    checkpoint out{.origin = std::string(*origin)};
    const auto [end, bad] = std::from_chars(size->data(), size->data() + size->size(), out.size);
    // One text for each number: no sign, no leading zeros.
    if (bad != std::errc() || end != size->data() + size->size() || std::to_string(out.size) != *size)
        return refuse();
    const auto hash = base64_decode(*root);
    if (!hash || hash->size() != out.root.size())
        return refuse();
    out.root = to_array<32>(*hash);
    return out;
}

std::string sign_checkpoint(const checkpoint& what, const ed25519_key& key)
{
    return note::sign(what.text(), what.origin, key);
}

result<checkpoint> open_checkpoint(std::string_view signed_note, const note::verifier& by)
{
    const auto text = note::open(signed_note, by);
    if (!text)
        return std::unexpected(text.error());
    auto out = checkpoint::parse(*text);
    if (out && out->origin != by.name)
        return fail(errc::corrupt, "the checkpoint is of another log");
    return out;
}

} // namespace consortium
