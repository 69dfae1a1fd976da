#include "spool.hpp"
#include "consortium/common/aead.hpp"
#include "consortium/common/hash.hpp"
#include "json_access.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

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

spool::spool(std::filesystem::path file, const key256& local_key, std::string tag, crash_point at)
    : file_(std::move(file)),
      key_(derive_key(local_key, {view("spool"), view(tag)})),
      tag_(std::move(tag)),
      at_(std::move(at))
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
      file_bytes_(other.file_bytes_)
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
    return *this;
}

spool::~spool()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

result<spool> spool::open(std::filesystem::path file, const key256& local_key, std::string tag, crash_point at)
{
    spool out(std::move(file), local_key, std::move(tag), std::move(at));
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
    descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (descriptor_ < 0)
        return fail_errno("cannot open " + file_.string(), errno);
    return {};
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
        boost::system::error_code problem;
        auto value = json::parse(json::string_view(text(*plain).data(), plain->size()), problem);
        auto* object = problem ? nullptr : value.if_object();
        if (object == nullptr)
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

result<void> spool::append(spool_entry entry)
{
    const auto size = size_of(entry);
    if (waiting_bytes_ + size > waiting_bytes_max)
        return fail(errc::too_large, "too much waits for the relay already");
    const auto record = record_of(entry_object(entry));
    byte_view rest = record;
    if (at_)
        at_("append");
    while (!rest.empty())
    {
        const auto written = ::write(descriptor_, rest.data(), rest.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
        {
            const auto problem = errno;
            // Half a record must not stay in the middle of the file.
            (void)::ftruncate(descriptor_, static_cast<off_t>(file_bytes_));
            return fail_errno("cannot write " + file_.string(), problem);
        }
        rest = rest.subspan(static_cast<std::size_t>(written));
    }
    if (at_)
        at_("sync");
    if (::fdatasync(descriptor_) != 0)
        return fail_errno("cannot sync " + file_.string(), errno);
    file_bytes_ += record.size();
    waiting_bytes_ += size;
    waiting_.push_back(std::move(entry));
    return {};
}

result<void> spool::rewrite()
{
    bytes content;
    waiting_bytes_ = 0;
    for (const auto& each : waiting_)
    {
        consortium::append(content, record_of(entry_object(each)));
        waiting_bytes_ += size_of(each);
    }
    if (const auto replaced = replace_file(file_, content, at_); !replaced)
        return replaced;
    file_bytes_ = content.size();
    return reopen();
}

result<void> spool::seal_all(const std::function<result<std::string>(spool_entry&)>& seal)
{
    bool changed = false;
    for (auto& each : waiting_)
    {
        if (each.sealed())
            continue;
        auto bundle = seal(each);
        if (!bundle)
            return std::unexpected(bundle.error());
        each.bundle = std::move(*bundle);
        each.d = nullptr;
        changed = true;
    }
    return changed ? rewrite() : result<void>();
}

result<void> spool::done(std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i)
    {
        waiting_bytes_ -= std::min(waiting_bytes_, size_of(waiting_.front()));
        waiting_.pop_front();
    }
    if (waiting_.empty() && file_bytes_ > idle_file_bytes_max)
        return rewrite();
    const auto record = record_of({{"done", count}});
    // Not synced: see the header.
    if (::write(descriptor_, record.data(), record.size()) != static_cast<ssize_t>(record.size()))
    {
        const auto problem = errno;
        (void)::ftruncate(descriptor_, static_cast<off_t>(file_bytes_));
        return fail_errno("cannot write " + file_.string(), problem);
    }
    file_bytes_ += record.size();
    return {};
}

} // namespace consortium::agent
