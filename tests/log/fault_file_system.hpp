#pragma once
#include "log/live_copy.hpp"
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <string>

/// A disk under RocksDB that fails, or stops the process, when told; it knows what was synced.
namespace consortium::log::testing
{

enum class disk_operation
{
    create,
    append,
    sync,
    rename, ///< named by where the file goes
    remove,
    sync_directory,
};

class fault_file_system final : public rocksdb::FileSystemWrapper
{
public:
    fault_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "fault_file_system"; }

    /// Called before an operation on a file; an error is what RocksDB gets instead of the operation.
    std::function<rocksdb::IOStatus(const std::string& file, disk_operation)> before =
        [](const std::string&, disk_operation) { return rocksdb::IOStatus::OK(); };

    /// Called before a table file is read, in the same way.
    std::function<rocksdb::IOStatus(const std::string& file)> before_read = [](const std::string&)
    { return rocksdb::IOStatus::OK(); };

    rocksdb::IOStatus NewRandomAccessFile(
        const std::string& name, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
        rocksdb::IODebugContext* context) override
    {
        auto status = FileSystemWrapper::NewRandomAccessFile(name, options, out, context);
        if (status.ok())
            *out = std::make_unique<watched_reads>(std::move(*out), name, *this);
        return status;
    }
    rocksdb::IOStatus NewWritableFile(
        const std::string& name, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* out,
        rocksdb::IODebugContext* context) override
    {
        if (auto refused = before(name, disk_operation::create); !refused.ok())
            return refused;
        auto status = FileSystemWrapper::NewWritableFile(name, options, out, context);
        if (status.ok())
        {
            *out = std::make_unique<watched_file>(std::move(*out), name, *this);
            const std::lock_guard lock(mutex_);
            unnamed_.try_emplace(name);
        }
        return status;
    }
    rocksdb::IOStatus RenameFile(
        const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
        rocksdb::IODebugContext* context) override
    {
        if (auto refused = before(to, disk_operation::rename); !refused.ok())
            return refused;
        const std::lock_guard lock(mutex_);
        unnamed_.try_emplace(to, content_of(to));
        synced_.erase(to);
        if (const auto moved = synced_.extract(from))
            synced_[to] = moved.mapped();
        unnamed_.erase(from);
        return FileSystemWrapper::RenameFile(from, to, options, context);
    }
    rocksdb::IOStatus
    DeleteFile(const std::string& name, const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override
    {
        if (auto refused = before(name, disk_operation::remove); !refused.ok())
            return refused;
        return FileSystemWrapper::DeleteFile(name, options, context);
    }
    rocksdb::IOStatus NewDirectory(
        const std::string& name, const rocksdb::IOOptions& options, std::unique_ptr<rocksdb::FSDirectory>* out,
        rocksdb::IODebugContext* context) override
    {
        auto status = FileSystemWrapper::NewDirectory(name, options, out, context);
        if (status.ok())
            *out = std::make_unique<watched_directory>(std::move(*out), name, *this);
        return status;
    }

    /// What a power cut leaves of `from`, whose files RocksDB wrote through this: every byte that was synced, and none
    /// of a log or table file that was not; a new name only once its directory was synced, the old one until then.
    void copy_synced(const std::filesystem::path& from, const std::filesystem::path& to)
    {
        const std::lock_guard lock(mutex_);
        copy_live(from, to);
        const auto copy_of = [&](const std::string& name) { return to / std::filesystem::relative(name, from); };
        for (const auto& [name, size] : synced_)
        {
            const auto copied = copy_of(name);
            if (std::filesystem::exists(copied) && std::filesystem::file_size(copied) > size)
                std::filesystem::resize_file(copied, size);
        }
        for (const auto& [name, older] : unnamed_)
        {
            std::filesystem::remove(copy_of(name));
            if (older)
                std::ofstream(copy_of(name), std::ios::binary) << *older;
        }
    }

private:
    class watched_reads final : public rocksdb::FSRandomAccessFileOwnerWrapper
    {
    public:
        watched_reads(
            std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string name, const fault_file_system& disk)
            : FSRandomAccessFileOwnerWrapper(std::move(file)), name_(std::move(name)), disk_(disk)
        {
        }
        rocksdb::IOStatus Read(
            std::uint64_t at, std::size_t size, const rocksdb::IOOptions& options, rocksdb::Slice* out, char* scratch,
            rocksdb::IODebugContext* context) const override
        {
            if (auto refused = disk_.before_read(name_); !refused.ok())
                return refused;
            return FSRandomAccessFileOwnerWrapper::Read(at, size, options, out, scratch, context);
        }

    private:
        std::string name_;
        const fault_file_system& disk_;
    };

    class watched_directory final : public rocksdb::FSDirectoryWrapper
    {
    public:
        watched_directory(std::unique_ptr<rocksdb::FSDirectory> directory, std::string name, fault_file_system& disk)
            : FSDirectoryWrapper(std::move(directory)), name_(std::move(name)), disk_(disk)
        {
        }
        rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override
        {
            if (auto refused = disk_.before(name_, disk_operation::sync_directory); !refused.ok())
                return refused;
            return named(FSDirectoryWrapper::Fsync(options, context));
        }
        rocksdb::IOStatus FsyncWithDirOptions(
            const rocksdb::IOOptions& options, rocksdb::IODebugContext* context,
            const rocksdb::DirFsyncOptions& what) override
        {
            if (auto refused = disk_.before(name_, disk_operation::sync_directory); !refused.ok())
                return refused;
            return named(FSDirectoryWrapper::FsyncWithDirOptions(options, context, what));
        }

    private:
        rocksdb::IOStatus named(rocksdb::IOStatus status)
        {
            const std::lock_guard lock(disk_.mutex_);
            if (status.ok())
                std::erase_if(
                    disk_.unnamed_,
                    [&](const auto& one)
                    {
                        return std::filesystem::path(one.first).parent_path() ==
                               std::filesystem::path(name_ + "/x").parent_path();
                    });
            return status;
        }

        std::string name_;
        fault_file_system& disk_;
    };

    static std::optional<std::string> content_of(const std::string& name)
    {
        std::ifstream file(name, std::ios::binary);
        if (!file)
            return std::nullopt;
        return std::string{std::istreambuf_iterator<char>(file), {}};
    }

    class watched_file final : public rocksdb::FSWritableFileOwnerWrapper
    {
    public:
        watched_file(std::unique_ptr<rocksdb::FSWritableFile> file, std::string name, fault_file_system& disk)
            : FSWritableFileOwnerWrapper(std::move(file)), name_(std::move(name)), disk_(disk)
        {
            const std::lock_guard lock(disk_.mutex_);
            disk_.synced_[name_] = 0;
        }
        using FSWritableFileOwnerWrapper::Append;
        rocksdb::IOStatus
        Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override
        {
            if (auto status = disk_.before(name_, disk_operation::append); !status.ok())
                return status;
            size_ += data.size();
            return FSWritableFileOwnerWrapper::Append(data, options, context);
        }
        rocksdb::IOStatus Append(
            const rocksdb::Slice& data, const rocksdb::IOOptions& options, const rocksdb::DataVerificationInfo& info,
            rocksdb::IODebugContext* context) override
        {
            if (auto status = disk_.before(name_, disk_operation::append); !status.ok())
                return status;
            size_ += data.size();
            return FSWritableFileOwnerWrapper::Append(data, options, info, context);
        }
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override
        {
            if (auto status = disk_.before(name_, disk_operation::sync); !status.ok())
                return status;
            return synced(FSWritableFileOwnerWrapper::Sync(options, context));
        }
        rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override
        {
            if (auto status = disk_.before(name_, disk_operation::sync); !status.ok())
                return status;
            return synced(FSWritableFileOwnerWrapper::Fsync(options, context));
        }

    private:
        rocksdb::IOStatus synced(rocksdb::IOStatus status)
        {
            const std::lock_guard lock(disk_.mutex_);
            if (status.ok())
                disk_.synced_[name_] = size_;
            return status;
        }

        std::string name_;
        fault_file_system& disk_;
        std::uint64_t size_ = 0;
    };

    std::mutex mutex_;
    std::map<std::string, std::uint64_t> synced_;
    /// Names that the directory may forget, with what the name meant before.
    std::map<std::string, std::optional<std::string>> unnamed_;
};

/// The disk as an Env, ready for seams::env.
struct fault_disk
{
    std::shared_ptr<fault_file_system> files = std::make_shared<fault_file_system>();
    std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
};

inline bool is_wal(const std::string& file)
{
    return file.ends_with(".log");
}

} // namespace consortium::log::testing
