#pragma once
#include "log/live_copy.hpp"
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <string>

/// A disk under RocksDB that fails, or stops the process, when told; it knows what was synced.
namespace consortium::log::testing
{

enum class disk_operation
{
    append,
    sync
};

class fault_file_system final : public rocksdb::FileSystemWrapper
{
public:
    fault_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "fault_file_system"; }

    /// Called before an operation on a file; an error is what RocksDB gets instead of the operation.
    std::function<rocksdb::IOStatus(const std::string& file, disk_operation)> before =
        [](const std::string&, disk_operation) { return rocksdb::IOStatus::OK(); };

    rocksdb::IOStatus NewWritableFile(
        const std::string& name, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* out,
        rocksdb::IODebugContext* context) override
    {
        auto status = FileSystemWrapper::NewWritableFile(name, options, out, context);
        if (status.ok())
            *out = std::make_unique<watched_file>(std::move(*out), name, *this);
        return status;
    }

    /// What a power cut leaves of `from`, whose files RocksDB wrote through this: every byte that was synced, and none
    /// of a log or table file that was not.
    void copy_synced(const std::filesystem::path& from, const std::filesystem::path& to)
    {
        const std::lock_guard lock(mutex_);
        copy_live(from, to);
        for (const auto& [name, size] : synced_)
        {
            const auto copied = to / std::filesystem::relative(name, from);
            if (std::filesystem::exists(copied) && std::filesystem::file_size(copied) > size)
                std::filesystem::resize_file(copied, size);
        }
    }

private:
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
