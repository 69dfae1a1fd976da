#include "storage/trash.hpp"
#include "base/json_access.hpp"
#include "storage/trash_note.hpp"
#include <algorithm>
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto note_file = "trash.json";
constexpr unix_millis day = 24 * 60 * 60 * 1000;

std::vector<std::filesystem::path> folders(const keystore& store)
{
    std::vector<std::filesystem::path> out;
    std::error_code problem;
    for (const auto& entry : std::filesystem::directory_iterator(store.trash(), problem))
        out.push_back(entry.path());
    std::ranges::sort(out);
    return out;
}

} // namespace

void trash_note::sighted(unix_millis now)
{
    const auto today = now / day;
    if (today > last_day)
        ++days;
    last_day = today; // a clock that was set back goes on from there
    since = std::min(since, now);
}

bool trash_note::due(unix_millis now) const
{
    return days > trash_days && now - since >= trash_days * day;
}

result<void> write_trash_note(const std::filesystem::path& folder, const trash_note& note, const crash_point& at)
{
    const json::object out{
        {"why", word(note.why)}, {"since", note.since}, {"lastDay", note.last_day}, {"days", note.days}};
    return replace_file(folder / note_file, view(json::serialize(out)), at);
}

result<trash_note> read_trash_note(const std::filesystem::path& folder)
{
    const auto file = folder / note_file;
    const auto content = read_file(file);
    if (!content)
        return std::unexpected(content.error());
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(*content).data(), content->size()), problem);
    const auto* object = problem ? nullptr : value.if_object();
    const auto why = object != nullptr ? parse_hearsay(text_at(*object, "why")) : std::nullopt;
    if (!why)
        return fail(errc::corrupt, file.string() + " is damaged.");
    return trash_note{*why, number_at(*object, "since"), number_at(*object, "lastDay"), number_at(*object, "days")};
}

result<void> remove_trash_note(const std::filesystem::path& folder)
{
    return remove_file(folder / note_file);
}

std::vector<trashed_session> list_trash(const keystore& store)
{
    std::vector<trashed_session> out;
    for (const auto& folder : folders(store))
    {
        const auto note = read_trash_note(folder);
        const auto record = read_session_record(folder);
        if (!note || !record)
            continue;
        out.push_back(
            {folder.filename().string(), record->session_id, record->server_url, record->account_id, record->directory,
             note->why, note->since,
             static_cast<int>(std::clamp<std::int64_t>(trash_days + 1 - note->days, 1, trash_days))});
    }
    std::ranges::sort(out, std::greater(), &trashed_session::since);
    return out;
}

result<void> restore_from_trash(const keystore& store, const std::string& tag, const crash_point& at)
{
    const auto folder = store.trash() / tag;
    if (!read_session_record(folder))
        return fail(errc::not_found, "There is no such session in the trash.");
    const auto lock = file_lock::attempt(lock_of_session(folder));
    if (!lock)
        return std::unexpected(lock.error());
    const auto target = store.sessions() / tag;
    if (const auto moved = move_directory(folder, target, at); !moved)
        return moved;
    (void)remove_trash_note(target); // with it, it is a session too
    return {};
}

result<bool> dispose_in_trash(const keystore& store, const std::string& tag, const evidence& why)
{
    if (decide(why) != disposal::destroy)
        return false;
    const auto folder = store.trash() / tag;
    const auto lock = file_lock::attempt(lock_of_session(folder));
    if (!lock)
        return std::unexpected(lock.error());
    if (const auto gone = destroy_session_folder(folder); !gone)
        return std::unexpected(gone.error());
    return true;
}

result<std::size_t> tend_trash(const keystore& store, unix_millis now, const crash_point& at)
{
    std::size_t destroyed = 0;
    for (const auto& folder : folders(store))
    {
        const auto lock = file_lock::attempt(lock_of_session(folder));
        if (!lock)
            continue; // another process is at it
        auto note = read_trash_note(folder);
        const auto record = read_session_record(folder);
        if (!record && record.error() == errc::not_found)
        {
            // A crash came between its key and the rest.
            if (const auto gone = destroy_session_folder(folder, at); !gone)
                return std::unexpected(gone.error());
            continue;
        }
        if (!note)
            note = trash_note{.since = now}; // lost or damaged: it is kept for as long as one that came just now
        const auto before = note->last_day;
        note->sighted(now);
        if (note->due(now))
        {
            if (const auto gone = destroy_session_folder(folder, at); !gone)
                return std::unexpected(gone.error());
            ++destroyed;
        }
        else if (note->last_day != before)
        {
            if (const auto noted = write_trash_note(folder, *note, at); !noted)
                return std::unexpected(noted.error());
        }
    }
    return destroyed;
}

} // namespace consortium::agent
