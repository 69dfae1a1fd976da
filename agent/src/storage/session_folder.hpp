#pragma once
#include "base/child_process.hpp"
#include "base/files.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/secret.hpp"
#include "identity/keystore.hpp"
#include "storage/disposal.hpp"
#include "storage/prompt_progress.hpp"
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{

/// What the machine knows about one of its sessions.
struct session_record
{
    std::string tag;        ///< random; names the folder, and the session to the relay
    std::string session_id; ///< empty until the relay has made it
    std::string server_url;
    std::string account_id;
    key256 data_key;
    std::string directory; ///< the project
    std::string claude_id; ///< Claude's own id of the conversation
    std::string mode;      ///< permission mode and model that were chosen; Claude does not keep them
    std::string model;
    std::string earlier; ///< Claude's id of a conversation whose record is still to be told; mostly empty
    unix_millis created = 0;
    unix_millis checked = 0; ///< when the relay last said that it exists
    std::int64_t states = 0; ///< how many states were sealed: `v` of the last one
    std::string refused;     ///< what the relay does not take of it, in words; empty: nothing
    bool ended = false;      ///< ended in order; otherwise a folder that nobody holds is what a crash left
    unix_millis ended_at = 0;
    std::optional<process_identity> claude; ///< the child that may still be running
};

/// What is known of a session from its folder alone, without holding it.
result<session_record> read_session_record(const std::filesystem::path& folder);
/// Destroys such a folder: the key first, without which the rest is noise.
result<void> destroy_session_folder(const std::filesystem::path& folder, const crash_point& at = {});
/// Whose lock says who works with it.
std::filesystem::path lock_of_session(const std::filesystem::path& folder);

/// The folder of one session below the keystore, held by one process at a time.
class session_folder
{
public:
    static result<session_folder> create(const keystore& store, session_record record);
    /// errc::locked while another process runs it, errc::not_found, errc::corrupt.
    static result<session_folder> open(const keystore& store, const std::string& tag, crash_point at = {});
    /// What is written down of a session, whoever runs it.
    static result<session_record> look_at(const keystore& store, const std::string& tag);
    /// The tags of all that are there.
    static std::vector<std::string> list(const keystore& store);

    session_record& record() noexcept { return record_; }
    const session_record& record() const noexcept { return record_; }
    result<void> save() const;

    prompt_progress& prompts() noexcept { return prompts_; }
    const prompt_progress& prompts() const noexcept { return prompts_; }
    result<void> save_prompts() const;

    /// Ids of what was said here since the end of the last turn, and of that end: in the order they were said. Not
    /// synced: of what a power cut takes nobody can have shown that he saw it, and then a person is asked.
    const std::vector<e2ee::bundle_id>& said() const noexcept { return said_; }
    void note_said(const e2ee::bundle_id& id);
    /// The last one was not said after all.
    void unsay(const e2ee::bundle_id& id);
    void forget_said_before(const e2ee::bundle_id& id);

    std::filesystem::path spool_file() const { return directory_ / "spool"; }
    /// Destroys its key, its spool and all else, or moves all to the trash (trash.hpp): as the evidence allows.
    result<disposal> dispose(const evidence& why, unix_millis now);

private:
    session_folder(std::filesystem::path directory, std::filesystem::path trash, file_lock lock, crash_point at)
        : directory_(std::move(directory)), trash_(std::move(trash)), lock_(std::move(lock)), at_(std::move(at))
    {
    }
    result<void> move_to_trash(hearsay why, unix_millis now);

    void note_holder() const;
    std::filesystem::path said_file() const { return directory_ / "said"; }
    void read_said();
    void rewrite_said();

    std::filesystem::path directory_;
    std::filesystem::path trash_;
    file_lock lock_;
    crash_point at_;
    session_record record_;
    prompt_progress prompts_;
    std::vector<e2ee::bundle_id> said_;
    bool said_unclean_ = false; ///< the file may hold something else: it is replaced before anything is added
};

/// The session of that id, or that of this conversation of Claude's, whether it ended or was interrupted; of several
/// the newest. errc::not_found, errc::locked while another process runs it.
result<session_folder> find_session(const keystore& store, const std::string& id, const identity& mine);
/// All of this project folder, newest first.
std::vector<session_record> sessions_of(const keystore& store, const std::string& directory, const identity& mine);

/// The unfinished session of this project folder that a crash left, newest first; empty when there is none.
/// A session that another process runs is not one of them; of one that is being killed its end is waited for.
std::optional<session_folder>
find_interrupted(const keystore& store, const std::string& directory, const identity& mine);

} // namespace consortium::agent
