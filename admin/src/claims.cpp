#include "claims.hpp"
#include "report.hpp"
#include <cerrno>
#include <fstream>
#include <iostream>

namespace consortium::admin
{
namespace
{

constexpr std::size_t note_bytes_max = 64 << 10;
constexpr std::string_view origin_prefix = "consortium-log/";

} // namespace

result<std::string> read_note(const std::filesystem::path& path)
{
    errno = 0;
    std::ifstream file;
    if (path != "-")
    {
        file.open(path, std::ios::binary);
        if (!file || std::filesystem::is_directory(path))
            return fail_errno("cannot read " + path.string(), file ? EISDIR : errno);
    }
    std::istream& from = path == "-" ? std::cin : file;
    std::string out(note_bytes_max + 1, '\0');
    from.read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(from.gcount()));
    if (from.bad())
        return fail_errno("cannot read " + path.string(), errno);
    if (out.size() > note_bytes_max)
        return fail(errc::too_large, path.string() + " is too large to be a signed note");
    return out;
}

note::verifier signer_of(std::string_view note, const note::verifier& now)
{
    auto out = now;
    for (int line = 0; line < 2; ++line)
    {
        const auto text = note.substr(0, note.find('\n'));
        if (text.starts_with(origin_prefix))
        {
            out.name = text;
            return out;
        }
        note.remove_prefix(std::min(text.size() + 1, note.size()));
    }
    return out;
}

result<std::optional<std::string>> find_contradiction(const log::log_reader& source, const checkpoint& claimed)
{
    const auto at = source.read();
    const auto head = at->head().value;
    if (claimed.size > head)
        return "it covers " + count_text(claimed.size, "record") + ", but the log ends at record " + number_text(head) +
               ": what came after is missing";
    const auto now = open_checkpoint(at->checkpoint(), source.checkpoint_key());
    if (!now)
        return std::unexpected(now.error());
    const auto path = at->prove_consistency(claimed.size, head);
    if (!path)
        return std::unexpected(path.error());
    if (!merkle::verify_consistency(claimed.size, head, claimed.root, now->root, *path))
        return "the first " + count_text(claimed.size, "record") +
               " of the log are not those it was made over: its tree has another root";
    return std::nullopt;
}

} // namespace consortium::admin
