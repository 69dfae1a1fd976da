#pragma once
#include "consortium/log/event.hpp"
#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <vector>

/// What a batch of events changes in rows that are there already.
namespace consortium::postgres
{

/// As the table of devices says it.
std::string_view name_of(device_kind kind);

/// Whose rows a deletion erases.
struct erasure
{
    log::event_subject about{};
    account_id account;
    stream_id subject;
};

class changes
{
public:
    /// In the order of the log.
    void add(const log::event& happened);

    /// In the order of the log.
    const std::vector<erasure>& erased() const noexcept { return erased_; }
    /// Of what is erased no row is written.
    bool erases(const log::event& happened) const;

    /// The rows that the batch adds must be there, and those that it erases gone.
    void apply(pqxx::transaction_base& to) const;

private:
    struct subject
    {
        account_id account;
        stream_id id;
        friend auto operator<=>(const subject&, const subject&) = default;
    };
    /// Of a session or a machine; empty: as it was.
    struct standing
    {
        unix_millis updated_at = 0;
        std::uint64_t seq = 0;
        std::uint64_t metadata_version = 0;
        std::uint64_t state_version = 0; ///< agent state or daemon state
        std::optional<bool> active;
        unix_millis active_at = 0;
    };
    struct device_change
    {
        account_id account;
        device_id id;
        lsn number;
        unix_millis time = 0;
        std::optional<device_kind> added; ///< empty: revoked
    };
    struct fold;
    static void
    apply_standings(pqxx::transaction_base& to, const std::string& query, const std::map<subject, standing>& changed);

    std::vector<erasure> erased_;
    std::map<subject, standing> sessions_;
    std::map<subject, standing> machines_;
    std::vector<device_change> devices_;
};

} // namespace consortium::postgres
