#pragma once
#include "base/files.hpp"
#include "consortium/common/clock.hpp"
#include "consortium/common/secret.hpp"
#include <boost/json/value.hpp>
#include <deque>
#include <functional>
#include <string>

namespace consortium::agent
{

/// Something to be sent, once.
struct spool_entry
{
    std::string local_id;
    unix_millis at = 0;
    boost::json::value d; ///< what to say, until it is sealed
    std::string bundle;   ///< sealed, base64: from then on it never changes
    bool sealed() const noexcept { return !bundle.empty(); }
};

/// What waits for the relay, in order, on disk. Every record is sealed under a local key; the file may end in the
/// middle of one after a crash. Whatever fails, the file and waiting() say the same afterwards, or the file is replaced
/// before anything is added to it. Not thread-safe.
class spool
{
public:
    /// Reads what is there. errc::corrupt when a record in the middle does not open.
    static result<spool>
    open(std::filesystem::path file, const key256& local_key, std::string tag, crash_point at = {});
    spool(spool&& other) noexcept;
    spool& operator=(spool&& other) noexcept;
    ~spool();

    /// On disk when this returns; where it fails, nowhere. errc::too_large when more waits than is kept.
    result<void> append(spool_entry entry);
    /// Seals, in order, all that is not yet; all of it or nothing.
    result<void> seal_all(const std::function<result<std::string>(spool_entry&)>& seal);
    /// The first `count` were taken by the relay. Forgetting that in a crash is harmless: it knows their ids.
    result<void> done(std::size_t count);
    /// The first one is never to be sent: it is kept in a file beside. errc::too_large when that holds as much already
    /// as a spool may.
    result<void> set_aside();
    /// That file. It is a spool too.
    static std::filesystem::path file_aside(const std::filesystem::path& file);

    const std::deque<spool_entry>& waiting() const noexcept { return waiting_; }
    std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }

private:
    spool(std::filesystem::path file, const key256& key, std::string tag, crash_point at);
    result<void> load();
    result<void> add(byte_view record, bool durable);
    result<void> rewrite();
    result<void> reopen();
    bytes record_of(const boost::json::object& value) const;

    std::filesystem::path file_;
    key256 key_;
    std::string tag_;
    crash_point at_;
    int descriptor_ = -1;
    std::deque<spool_entry> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::size_t file_bytes_ = 0;
    bool unclean_ = false; ///< the file may hold something else than what waits: it is replaced before it is used
};

} // namespace consortium::agent
