#pragma once
#include "consortium/log/domain.hpp"
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rocksdb
{
class ColumnFamilyHandle;
} // namespace rocksdb

/// View tables as they lie in the store, and which of them can be believed: docs/architecture.md, "Views heal".
namespace consortium::log
{

/// A view table cannot be read. Nothing else is in doubt: whoever asked is refused, and can ask again.
struct view_failure final : log_failure
{
    using log_failure::log_failure;
};

/// Who is told that a table is broken. Thread-safe.
class view_alarm
{
public:
    using listener = std::function<void(table_id, const error& why)>;

    /// Called on whatever thread met the damage, once for each family; must not block. Empty: nobody.
    void listen(listener to);
    void raise(table_id table, const error& why);

private:
    std::mutex mutex_;
    listener to_;
};

/// One table's column family. A table that is made anew lies in another: who pinned the old one is refused there for
/// good. Thread-safe.
class view_family
{
public:
    /// What somebody is told who needs a broken table: it heals, if the store is open for writing.
    enum class broken_means
    {
        unavailable,
        corrupt,
    };

    view_family(
        table_id table, std::string name, rocksdb::ColumnFamilyHandle* handle, broken_means told, view_alarm& alarm)
        : table_(table), name_(std::move(name)), handle_(handle), told_(told), alarm_(alarm)
    {
    }

    table_id table() const noexcept { return table_; }
    const std::string& name() const noexcept { return name_; }
    /// nullptr: it could not be opened, and is broken.
    rocksdb::ColumnFamilyHandle* handle() const noexcept { return handle_; }

    bool broken() const noexcept { return broken_.load(std::memory_order_acquire); }
    /// Throws view_failure if it is broken.
    void check() const
    {
        if (broken())
            refuse();
    }
    /// It cannot be believed from now on.
    void mark_broken(const error& why);
    /// The same, and throws view_failure.
    [[noreturn]] void fail(const error& why);
    /// It stays broken: `why` is what everybody is told.
    void give_up(const error& why);
    /// Why it is broken, for people.
    error damage() const;

private:
    [[noreturn]] void refuse() const;

    const table_id table_;
    const std::string name_;
    rocksdb::ColumnFamilyHandle* const handle_;
    const broken_means told_;
    view_alarm& alarm_;
    std::atomic<bool> broken_ = false;
    mutable std::mutex mutex_;
    error damage_;
    error refusal_;
};

/// All tables at one moment, by number. Those of another moment may lie elsewhere.
using view_set = std::vector<std::shared_ptr<view_family>>;

} // namespace consortium::log
