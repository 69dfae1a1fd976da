#pragma once
#include "consortium/log/event_log.hpp"
#include <atomic>
#include <stdexcept>

namespace consortium::relay
{

/// A log that can be told that it cannot be read, or is full, for a while.
class unreadable_log final : public log::event_log
{
public:
    explicit unreadable_log(log::event_log& real) : real_(real) {}
    std::atomic<bool> broken = false;
    std::atomic<bool> full = false;
    /// Of what is read from now on: rows cannot be opened, or the bodies of events.
    std::atomic<bool> rows_broken = false;
    std::atomic<bool> bodies_broken = false;

    std::unique_ptr<log::snapshot> read() const override
    {
        if (broken)
            throw std::runtime_error("the disk is gone");
        return std::make_unique<view>(real_.read(), *this);
    }
    result<void> submit(std::shared_ptr<log::command> wanted) override
    {
        if (full)
            return fail(errc::overloaded, "the log's queue is full", std::chrono::milliseconds(1));
        return real_.submit(std::move(wanted));
    }
    result<std::unique_ptr<log::event_feed>> follow(lsn after) override { return real_.follow(after); }
    log_id id() const override { return real_.id(); }
    const log::relay_keys& keys() const override { return real_.keys(); }
    log::counts opened() const override { return real_.opened(); }
    note::verifier checkpoint_key() const override { return real_.checkpoint_key(); }
    result<void> compact() override { return real_.compact(); }
    result<std::size_t> rebuild_views(std::optional<std::string_view> table) override
    {
        return real_.rebuild_views(table);
    }
    std::uint64_t view_rebuilds() const override { return real_.view_rebuilds(); }
    result<void> rekey(
        std::string_view old_secret, std::string_view new_secret,
        const std::optional<std::filesystem::path>& secret_file) override
    {
        return real_.rekey(old_secret, new_secret, secret_file);
    }
    void close() override { real_.close(); }

private:
    class view final : public log::snapshot
    {
    public:
        view(std::unique_ptr<log::snapshot> real, const unreadable_log& from) : real_(std::move(real)), from_(from) {}

        std::optional<bytes> get(log::table_id table, byte_view key) const override
        {
            check_rows();
            return real_->get(table, key);
        }
        void scan(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
        {
            check_rows();
            real_->scan(table, prefix, from, visit);
        }
        void scan_down(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
        {
            check_rows();
            real_->scan_down(table, prefix, from, visit);
        }
        byte_array<16> prf(byte_parts parts) const override { return real_->prf(parts); }
        lsn head() const override { return real_->head(); }
        result<log::event> read(lsn number) const override
        {
            if (from_.bodies_broken)
                return fail(errc::io, "the disk is gone");
            return real_->read(number);
        }
        result<std::vector<log::event>> read(lsn first, std::size_t count_max, std::size_t bytes_max) const override
        {
            if (from_.bodies_broken)
                return fail(errc::io, "the disk is gone");
            return real_->read(first, count_max, bytes_max);
        }
        result<log::record_proof> prove(lsn number, std::uint64_t tree_size) const override
        {
            return real_->prove(number, tree_size);
        }
        result<merkle::proof> prove_consistency(std::uint64_t before, std::uint64_t after) const override
        {
            return real_->prove_consistency(before, after);
        }
        std::string checkpoint() const override { return real_->checkpoint(); }

    private:
        void check_rows() const
        {
            if (from_.rows_broken)
                throw log::log_failure(error{errc::io, "the disk is gone", {}});
        }

        std::unique_ptr<log::snapshot> real_;
        const unreadable_log& from_;
    };

    log::event_log& real_;
};

} // namespace consortium::relay
