#include "pinned_store.hpp"

namespace consortium::log
{

pinned_store::pinned_store(std::shared_ptr<rocks_store> store, tree_head head, std::uint64_t key_generation)
    : store_(std::move(store)),
      views_(store_->views()),
      // A read-only store never changes, and RocksDB has no snapshots of one.
      snapshot_(store_->writable() ? store_->db().GetSnapshot() : nullptr),
      head_(std::move(head)),
      tree_(*store_, options(), head_.number.value, head_.leaves),
      key_generation_(key_generation)
{
    if (snapshot_ != nullptr)
        store_->readers().add(snapshot_->GetSequenceNumber());
}

pinned_store::~pinned_store()
{
    if (snapshot_ == nullptr)
        return;
    const auto sequence = snapshot_->GetSequenceNumber();
    store_->db().ReleaseSnapshot(snapshot_);
    store_->readers().remove(sequence);
}

const std::string& pinned_store::checkpoint(const std::function<std::string(const digest256&)>& sign) const
{
    std::call_once(signed_, [&] { checkpoint_ = sign(head_.root); });
    return checkpoint_;
}

rocksdb::ReadOptions pinned_store::options() const
{
    rocksdb::ReadOptions out;
    out.snapshot = snapshot_;
    return out;
}

} // namespace consortium::log
