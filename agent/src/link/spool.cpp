#include "link/spool.hpp"
#include "base/agent_limits.hpp"
#include "base/json_access.hpp"
#include "consortium/common/aead.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr std::size_t length_bytes = 4;
constexpr std::size_t record_bytes_max = 64u << 20;
constexpr std::size_t idle_file_bytes_max = 1u << 20; // above it an empty spool's file is cut

json::object entry_object(const spool_entry& entry)
{
    json::object out{{"id", entry.local_id}, {"at", entry.at}};
    if (entry.sealed())
        out["c"] = entry.bundle;
    else
        out["d"] = entry.d;
    return out;
}

std::size_t size_of(const spool_entry& entry)
{
    constexpr std::size_t overhead = 256;
    return overhead + (entry.sealed() ? entry.bundle.size() : json::serialize(entry.d).size());
}

} // namespace

spool::spool(std::filesystem::path file, const key256& key, std::string tag, crash_point at)
    : file_(std::move(file)), key_(key), tag_(std::move(tag)), at_(std::move(at))
{
}

spool::spool(spool&& other) noexcept
    : file_(std::move(other.file_)),
      key_(other.key_),
      tag_(std::move(other.tag_)),
      at_(std::move(other.at_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      waiting_(std::move(other.waiting_)),
      waiting_bytes_(other.waiting_bytes_),
      file_bytes_(other.file_bytes_),
      unclean_(other.unclean_)
{
}

spool& spool::operator=(spool&& other) noexcept
{
    file_ = std::move(other.file_);
    key_ = other.key_;
    tag_ = std::move(other.tag_);
    at_ = std::move(other.at_);
    std::swap(descriptor_, other.descriptor_);
    waiting_ = std::move(other.waiting_);
    waiting_bytes_ = other.waiting_bytes_;
    file_bytes_ = other.file_bytes_;
    unclean_ = other.unclean_;
    return *this;
}

spool::~spool()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

result<spool> spool::open(std::filesystem::path file, const key256& local_key, std::string tag, crash_point at)
{
    const auto key = derive_key(local_key, {view("spool"), view(tag)});
    spool out(std::move(file), key, std::move(tag), std::move(at));
    if (const auto loaded = out.load(); !loaded)
        return std::unexpected(loaded.error());
    if (const auto opened = out.reopen(); !opened)
        return std::unexpected(opened.error());
    return out;
}

result<void> spool::reopen()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
    constexpr int how = O_WRONLY | O_APPEND | O_CLOEXEC;
    descriptor_ = ::open(file_.c_str(), how);
    if (descriptor_ >= 0)
        return {};
    if (errno == ENOENT)
        descriptor_ = ::open(file_.c_str(), how | O_CREAT, 0600);
    if (descriptor_ < 0)
        return fail_errno("cannot open " + file_.string(), errno);
    return sync_directory(file_.parent_path());
}

bytes spool::record_of(const json::object& value) const
{
    const auto sealed = xchacha_seal_with_nonce(key_, view(tag_), view(json::serialize(value)));
    bytes out;
    consortium::append(out, little_endian(static_cast<std::uint32_t>(sealed.size())));
    consortium::append(out, sealed);
    return out;
}

result<void> spool::load()
{
    const auto content = read_file(file_);
    if (!content && content.error() == errc::not_found)
        return {};
    if (!content)
        return std::unexpected(content.error());

    byte_view rest = *content;
    while (rest.size() >= length_bytes)
    {
        const std::size_t size = load_little_endian<std::uint32_t>(rest);
        if (size > record_bytes_max)
            return fail(errc::corrupt, file_.string() + " is damaged.");
        if (rest.size() - length_bytes < size)
            break;
        const auto plain = xchacha_open_with_nonce(key_, view(tag_), rest.subspan(length_bytes, size));
        if (!plain)
        {
            // The last record may be torn by a crash: its length was written, not all of its bytes.
            if (rest.size() - length_bytes == size)
                break;
            return fail(errc::corrupt, file_.string() + " is damaged.");
        }
        auto object = protocol::read_foreign_object(text(*plain), protocol::stored_depth_max);
        if (!object)
            return fail(errc::corrupt, file_.string() + " is damaged.");
        if (const auto count = number_at(*object, "done"); count > 0)
        {
            for (std::int64_t i = 0; i < count && !waiting_.empty(); ++i)
                waiting_.pop_front();
        }
        else
        {
            spool_entry entry{text_at(*object, "id"), number_at(*object, "at"), nullptr, text_at(*object, "c")};
            if (const auto* d = object->if_contains("d"))
                entry.d = *d;
            waiting_.push_back(std::move(entry));
        }
        rest = rest.subspan(length_bytes + size);
    }
    for (const auto& each : waiting_)
        waiting_bytes_ += size_of(each);
    file_bytes_ = content->size();
    // Nothing may be appended after a torn end.
    if (!rest.empty())
        return rewrite();
    return {};
}

/// Adds a record to the file, or leaves the file as it was.
result<void> spool::add(byte_view record, bool durable)
{
    if (at_)
        at_("append");
    auto added = write_all(descriptor_, record, file_);
    if (durable && at_)
        at_("sync");
    if (added && durable && ::fdatasync(descriptor_) != 0)
        added = fail_errno("cannot sync " + file_.string(), errno);
    if (!added)
    {
        // After a failed sync nobody knows what is on the disk, and the next one need not say.
        unclean_ = true;
        (void)!::ftruncate(descriptor_, static_cast<off_t>(file_bytes_));
        return added;
    }
    file_bytes_ += record.size();
    return {};
}

result<void> spool::append(spool_entry entry)
{
    const auto size = size_of(entry);
    if (waiting_bytes_ + size > limits::spool_bytes_max)
        return fail(errc::too_large, "too much waits for the relay already");
    if (unclean_)
    {
        if (auto mended = rewrite(); !mended)
            return mended;
    }
    if (auto added = add(record_of(entry_object(entry)), /*durable=*/true); !added)
        return added;
    waiting_bytes_ += size;
    waiting_.push_back(std::move(entry));
    return {};
}

result<void> spool::rewrite()
{
    bytes content;
    std::size_t size = 0;
    for (const auto& each : waiting_)
    {
        consortium::append(content, record_of(entry_object(each)));
        size += size_of(each);
    }
    unclean_ = true;
    if (auto replaced = replace_file(file_, content, at_); !replaced)
        return replaced;
    if (auto opened = reopen(); !opened)
        return opened;
    waiting_bytes_ = size;
    file_bytes_ = content.size();
    unclean_ = false;
    return {};
}

result<void> spool::seal_all(const std::function<result<std::string>(spool_entry&)>& seal)
{
    std::vector<std::pair<spool_entry*, json::value>> sealed_now; // and what they said
    result<void> outcome;
    for (auto& each : waiting_)
    {
        if (each.sealed())
            continue;
        auto bundle = seal(each);
        if (!bundle)
        {
            outcome = std::unexpected(bundle.error());
            break;
        }
        each.bundle = std::move(*bundle);
        sealed_now.emplace_back(&each, std::exchange(each.d, nullptr));
    }
    if (outcome && !sealed_now.empty())
        outcome = rewrite();
    if (!outcome)
    {
        for (auto& [each, d] : sealed_now)
        {
            each->bundle.clear();
            each->d = std::move(d);
        }
    }
    return outcome;
}

result<void> spool::done(std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i)
    {
        waiting_bytes_ -= std::min(waiting_bytes_, size_of(waiting_.front()));
        waiting_.pop_front();
    }
    if (unclean_ || (waiting_.empty() && file_bytes_ > idle_file_bytes_max))
        return rewrite();
    return add(record_of({{"done", count}}), /*durable=*/false); // see the header
}

std::filesystem::path spool::file_aside(const std::filesystem::path& file)
{
    return file.string() + ".aside";
}

result<void> spool::set_aside()
{
    spool aside(file_aside(file_), key_, tag_, at_);
    if (auto loaded = aside.load(); !loaded)
        return loaded;
    if (auto opened = aside.reopen(); !opened)
        return opened;
    if (auto kept = aside.append(waiting_.front()); !kept)
        return kept;
    (void)done(1); // a note that is missing costs a repetition
    return {};
}

} // namespace consortium::agent
