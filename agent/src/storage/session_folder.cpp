#include "storage/session_folder.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/utf8.hpp"
#include "storage/trash_note.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto record_file = "session.json";
constexpr auto prompts_file = "prompts.json";
constexpr auto lock_file = "lock";

result<json::object> read_object(const std::filesystem::path& file)
{
    const auto content = read_file(file);
    if (!content)
        return std::unexpected(content.error());
    boost::system::error_code problem;
    auto value = json::parse(json::string_view(text(*content).data(), content->size()), problem);
    if (problem || !value.is_object())
        return fail(errc::corrupt, file.string() + " is damaged.");
    return std::move(value.get_object());
}

json::object write_record(const session_record& record)
{
    json::object out{
        {"tag", record.tag},
        {"session", record.session_id},
        {"server", record.server_url},
        {"account", record.account_id},
        {"dataKey", base64_encode(record.data_key.view())},
        {"directory", well_formed_utf8(record.directory)},
        {"claude", record.claude_id},
        {"mode", record.mode},
        {"model", record.model},
        {"earlier", record.earlier},
        {"created", record.created},
        {"checked", record.checked},
        {"states", record.states},
        {"refused", well_formed_utf8(record.refused)},
        {"ended", record.ended},
        {"endedAt", record.ended_at}};
    // JSON is text, and a folder may be named in any bytes.
    if (well_formed_utf8(record.directory) != record.directory)
        out["directoryBytes"] = base64_encode(view(record.directory));
    if (record.claude)
        out["claudeProcess"] = json::object{{"pid", record.claude->pid}, {"started", record.claude->started}};
    return out;
}

result<session_record> read_record(const std::filesystem::path& file)
{
    const auto object = read_object(file);
    if (!object)
        return std::unexpected(object.error());
    session_record out;
    out.tag = text_at(*object, "tag");
    out.session_id = text_at(*object, "session");
    out.server_url = text_at(*object, "server");
    out.account_id = text_at(*object, "account");
    out.directory = text_at(*object, "directory");
    if (const auto raw = base64_decode(text_at(*object, "directoryBytes")); raw && !raw->empty())
        out.directory = std::string(text(*raw));
    out.claude_id = text_at(*object, "claude");
    out.mode = text_at(*object, "mode");
    out.model = text_at(*object, "model");
    out.earlier = text_at(*object, "earlier");
    out.created = number_at(*object, "created");
    out.checked = number_at(*object, "checked");
    out.states = number_at(*object, "states");
    out.refused = text_at(*object, "refused");
    out.ended = flag_at(*object, "ended");
    out.ended_at = number_at(*object, "endedAt");
    const auto key = base64_decode(text_at(*object, "dataKey"));
    if (!key || key->size() != key256::size() || out.tag.empty())
        return fail(errc::corrupt, file.string() + " is damaged.");
    out.data_key = key256::from(*key);
    if (const auto* process = object_at(*object, "claudeProcess"))
        out.claude = process_identity{
            static_cast<pid_t>(number_at(*process, "pid")), static_cast<std::uint64_t>(number_at(*process, "started"))};
    return out;
}

result<prompt_progress> load_prompts(const std::filesystem::path& file)
{
    const auto object = read_object(file);
    if (!object && object.error() == errc::not_found)
        return prompt_progress();
    if (!object)
        return std::unexpected(object.error());
    return read_prompts(*object);
}

} // namespace

result<session_folder> session_folder::create(const keystore& store, session_record record)
{
    const auto directory = store.sessions() / record.tag;
    if (const auto made = make_private_directory(directory); !made)
        return std::unexpected(made.error());
    auto lock = file_lock::attempt(directory / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    session_folder out(directory, store.trash(), std::move(*lock), {});
    out.record_ = std::move(record);
    if (const auto saved = out.save(); !saved)
        return std::unexpected(saved.error());
    if (const auto synced = sync_directory(store.sessions()); !synced)
        return std::unexpected(synced.error());
    out.note_holder();
    return out;
}

result<session_folder> session_folder::open(const keystore& store, const std::string& tag, crash_point at)
{
    const auto directory = store.sessions() / tag;
    std::error_code problem;
    if (!std::filesystem::is_directory(directory, problem))
        return fail(errc::not_found, "there is no session " + tag + " on this machine");
    auto lock = file_lock::attempt(directory / lock_file);
    if (!lock)
        return std::unexpected(lock.error());
    session_folder out(directory, store.trash(), std::move(*lock), std::move(at));
    auto record = read_record(directory / record_file);
    if (!record)
        return std::unexpected(record.error());
    auto prompts = load_prompts(directory / prompts_file);
    if (!prompts)
        return std::unexpected(prompts.error());
    out.record_ = std::move(*record);
    out.prompts_ = std::move(*prompts);
    out.read_said();
    out.note_holder();
    return out;
}

void session_folder::note_holder() const
{
    if (const auto self = identify_process(::getpid()))
        lock_.note(std::to_string(self->pid) + " " + std::to_string(self->started) + "\n");
}

result<session_record> session_folder::look_at(const keystore& store, const std::string& tag)
{
    return read_record(store.sessions() / tag / record_file);
}

std::vector<std::string> session_folder::list(const keystore& store)
{
    std::vector<std::string> out;
    std::error_code problem;
    for (const auto& entry : std::filesystem::directory_iterator(store.sessions(), problem))
        out.push_back(entry.path().filename().string());
    std::ranges::sort(out);
    return out;
}

result<void> session_folder::save() const
{
    return replace_file(directory_ / record_file, view(json::serialize(write_record(record_))), at_);
}

result<void> session_folder::save_prompts() const
{
    return replace_file(directory_ / prompts_file, view(json::serialize(write_prompts(prompts_))), at_);
}

void session_folder::read_said()
{
    const auto content = read_file(said_file());
    if (!content)
        return; // nobody can have seen what is not known to have been said
    constexpr auto size = sizeof(e2ee::bundle_id);
    for (std::size_t at = 0; at + size <= content->size(); at += size) // half an id at the end is none
        said_.push_back(to_array<size>(byte_view(*content).subspan(at)));
    std::error_code ignored;
    std::filesystem::resize_file(said_file(), said_.size() * size, ignored);
}

void session_folder::note_said(const e2ee::bundle_id& id)
{
    constexpr std::size_t said_max = 1u << 20;
    if (said_.size() >= said_max)
        return;
    said_.push_back(id);
    if (said_.size() == 1 || said_unclean_)
        return rewrite_said();
    std::ofstream file(said_file(), std::ios::binary | std::ios::app);
    file.write(reinterpret_cast<const char*>(id.data()), static_cast<std::streamsize>(id.size()));
    said_unclean_ = !file.flush(); // perhaps half an id: nothing may be added behind it
}

void session_folder::unsay(const e2ee::bundle_id& id)
{
    if (said_.empty() || said_.back() != id)
        return;
    said_.pop_back();
    rewrite_said();
}

void session_folder::forget_said_before(const e2ee::bundle_id& id)
{
    const auto last = std::find(said_.rbegin(), said_.rend(), id);
    if (last == said_.rend())
        return;
    said_.erase(said_.begin(), std::prev(last.base()));
    rewrite_said();
}

void session_folder::rewrite_said()
{
    bytes content;
    for (const auto& each : said_)
        append(content, each);
    said_unclean_ = !replace_file(said_file(), content); // private, as all files here
}

result<session_record> read_session_record(const std::filesystem::path& folder)
{
    return read_record(folder / record_file);
}

std::filesystem::path lock_of_session(const std::filesystem::path& folder)
{
    return folder / lock_file;
}

result<void> destroy_session_folder(const std::filesystem::path& folder, const crash_point& at)
{
    if (at)
        at("destroy key");
    if (const auto removed = remove_file(folder / record_file); !removed)
        return removed;
    if (at)
        at("destroy rest");
    std::error_code problem;
    std::filesystem::remove_all(folder, problem);
    if (problem)
        return fail(errc::io, "cannot remove " + folder.string() + ": " + problem.message());
    return sync_directory(folder.parent_path());
}

result<disposal> session_folder::dispose(const evidence& why, unix_millis now)
{
    const auto what = decide(why);
    const auto done = what == disposal::destroy ? destroy_session_folder(directory_, at_)
                                                : move_to_trash(std::get<hearsay>(why), now);
    if (!done)
        return std::unexpected(done.error());
    return what;
}

result<void> session_folder::move_to_trash(hearsay why, unix_millis now)
{
    // The note first: a folder with a note that is still among the sessions is a session.
    if (const auto noted = write_trash_note(directory_, {why, now, {}, 0}, at_); !noted)
        return noted;
    if (const auto made = make_private_directory(trash_); !made)
        return made;
    if (const auto synced = sync_directory(trash_.parent_path()); !synced)
        return synced;
    const auto target = trash_ / directory_.filename();
    if (const auto moved = move_directory(directory_, target, at_); !moved)
        return moved;
    directory_ = target;
    return {};
}

namespace
{

/// Whether whoever noted himself in that lock has ended, or was killed and is on his way out: a disk slow to take his
/// last write can hold him up for long.
bool holder_is_dying(const std::filesystem::path& lock)
{
    const auto content = read_file(lock);
    std::istringstream words(content ? std::string(text(*content)) : std::string());
    process_identity holder;
    return words >> holder.pid >> holder.started && !will_go_on(holder);
}

/// An interrupted session is often taken up at once, by whatever watches over `consortium`.
result<session_folder> open_soon(const keystore& store, const std::string& tag)
{
    constexpr auto usual = std::chrono::milliseconds(300);
    constexpr auto at_most = std::chrono::seconds(20);
    constexpr auto pause = std::chrono::milliseconds(5);
    const auto start = std::chrono::steady_clock::now();
    for (;;)
    {
        auto folder = session_folder::open(store, tag);
        if (folder || folder.error() != errc::locked)
            return folder;
        const auto passed = std::chrono::steady_clock::now() - start;
        if (passed > at_most || (passed > usual && !holder_is_dying(store.sessions() / tag / lock_file)))
            return folder;
        std::this_thread::sleep_for(pause);
    }
}

bool belongs_to(const session_record& record, const identity& mine)
{
    return record.account_id == mine.account_id && record.server_url == mine.server_url;
}

/// All that are this identity's and fit, newest first.
template <class Fits>
std::vector<session_record> records_of(const keystore& store, const identity& mine, const Fits& fits)
{
    std::vector<session_record> out;
    for (const auto& tag : session_folder::list(store))
    {
        auto record = session_folder::look_at(store, tag);
        if (record && belongs_to(*record, mine) && fits(*record))
            out.push_back(std::move(*record));
    }
    std::ranges::sort(out, std::ranges::greater(), &session_record::created);
    return out;
}

} // namespace

result<session_folder> find_session(const keystore& store, const std::string& id, const identity& mine)
{
    const auto found = records_of(
        store, mine, [&](const session_record& record)
        { return !id.empty() && (record.session_id == id || record.claude_id == id); });
    if (found.empty())
        return fail(errc::not_found, "There is no session " + id + " on this machine.");
    return open_soon(store, found.front().tag);
}

std::vector<session_record> sessions_of(const keystore& store, const std::string& directory, const identity& mine)
{
    return records_of(store, mine, [&](const session_record& record) { return record.directory == directory; });
}

std::optional<session_folder>
find_interrupted(const keystore& store, const std::string& directory, const identity& mine)
{
    std::optional<session_folder> found;
    for (const auto& tag : session_folder::list(store))
    {
        const auto interrupted = [&](const session_record& record)
        { return !record.ended && record.directory == directory && belongs_to(record, mine); };
        const auto known = session_folder::look_at(store, tag);
        if (!known || !interrupted(*known))
            continue;
        auto folder = open_soon(store, tag);
        if (!folder || !interrupted(folder->record()))
            continue; // in use
        if (!found || found->record().created < folder->record().created)
            found.emplace(std::move(*folder));
    }
    return found;
}

} // namespace consortium::agent
