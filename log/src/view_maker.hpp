#pragma once
#include "reader.hpp"
#include "scratch_views.hpp"
#include <filesystem>
#include <rocksdb/write_batch.h>
#include <vector>

namespace consortium::log
{

/// Makes view tables from the log: all events, from the first on, are folded into views beside the store; then the rows
/// of the tables that are wanted are copied into it, and what comes after that goes to both. Half made, they count for
/// nothing, whatever moment it ends at. Errors are thrown as log_failure.
class view_maker
{
public:
    struct parts
    {
        rocks_store& store;
        const reading& with;
        const domain& rules;
        std::filesystem::path scratch; ///< what is there is removed
        std::vector<table_id> tables;
    };

    /// That they are being made must have been noted durably (rocks_store::write_making()). Empties them; whoever
    /// pinned the store before keeps what it has.
    explicit view_maker(parts wanted);
    view_maker(const view_maker&) = delete;

    /// The next event of the log.
    void fold(const event& happened);
    /// The rows of everything that was folded so far.
    void copy_rows();
    /// After copy_rows(), and once everything was folded: they are whole, and the store reads them. On the thread for
    /// which rocks_store::view() is.
    void finish();

private:
    class both;

    void write_if_large();
    void write(bool sync);

    parts parts_;
    std::vector<std::shared_ptr<view_family>> made_;
    std::vector<rocksdb::ColumnFamilyHandle*> handles_; ///< by table; nullptr: it is not made
    std::unique_ptr<scratch_views> scratch_;
    std::uint64_t uncommitted_ = 0;
    bool copied_ = false;
    rocksdb::WriteBatch batch_;
    bytes sealed_;
};

} // namespace consortium::log
