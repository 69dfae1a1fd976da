#pragma once
#include "rocks_store.hpp"
#include "tree_reader.hpp"
#include <functional>
#include <mutex>

namespace consortium::log
{

/// What a batch leaves at the end of the log.
struct tree_head
{
    lsn number;
    digest256 root{};
    loose_leaves leaves;
};

/// The store at one moment. Releases it when the last user is gone.
class pinned_store
{
public:
    pinned_store(std::shared_ptr<rocks_store> store, tree_head head, std::uint64_t key_generation);
    ~pinned_store();
    pinned_store(const pinned_store&) = delete;

    rocks_store& store() const noexcept { return *store_; }
    lsn head() const noexcept { return head_.number; }
    const digest256& root() const noexcept { return head_.root; }
    const tree_head& edge() const noexcept { return head_; }
    const tree_reader& tree() const noexcept { return tree_; }
    view_family& view(table_id table) const { return *views_->at(table); }
    /// What `sign(root at the head)` made when it was first asked for. Thread-safe.
    const std::string& checkpoint(const std::function<std::string(const digest256&)>& sign) const;
    /// Of the key ring: see keyring::find().
    std::uint64_t key_generation() const noexcept { return key_generation_; }
    rocksdb::ReadOptions options() const;
    /// Of RocksDB, at this moment; 0 for a read-only store.
    std::uint64_t sequence() const noexcept { return snapshot_ != nullptr ? snapshot_->GetSequenceNumber() : 0; }

private:
    std::shared_ptr<rocks_store> store_;
    std::shared_ptr<const view_set> views_;
    const rocksdb::Snapshot* snapshot_ = nullptr;
    tree_head head_;
    tree_reader tree_;
    std::uint64_t key_generation_;
    mutable std::once_flag signed_;
    mutable std::string checkpoint_;
};

} // namespace consortium::log
