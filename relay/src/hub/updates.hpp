#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/protocol/v1/updates.hpp"
#include "hub/follower.hpp"
#include "output_budget.hpp"
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

/// From events to the updates of the contract.
namespace consortium::relay
{

/// A snapshot that is taken when it is first needed.
class lazy_snapshot
{
public:
    explicit lazy_snapshot(const log::event_log& source) : source_(&source) {}
    const log::snapshot& get()
    {
        if (!taken_)
            taken_ = source_->read();
        return *taken_;
    }

private:
    const log::event_log* source_;
    std::unique_ptr<log::snapshot> taken_;
};

/// What an update says beyond its event.
class update_lookup
{
public:
    struct machine
    {
        std::string id;
        bool active = false;
        unix_millis active_at = 0;
    };
    virtual ~update_lookup() = default;
    /// The id that clients know it by; empty: removed since.
    virtual machine find_machine(account_id account, machine_row_id row) = 0;
};

/// 12 characters that are the same whenever this revision is sent.
std::string update_id(log_id log, account_id account, revision at);

/// The body for an event that is not shredded. Views in it point into `happened` and `texts`.
protocol::v1::update_body body_of(const log::event& happened, update_lookup& lookup);

/// Thread-safe.
class update_writer
{
public:
    /// An update of an event with such a body is made once for all who stand at it.
    static constexpr std::size_t large_bytes_min = 64u << 10;

    /// `output` counts what it makes.
    update_writer(const log::event_log& source, output_budget& output)
        : source_(source), log_(source.id()), output_(output)
    {
    }

    /// A machine's name, so that live updates need no reading.
    void learn(const log::event& happened);

    /// The update as JSON.
    void append_json(std::string& out, const log::event& happened, lazy_snapshot& at);
    void append_shredded_json(std::string& out, revision from, const log::event& last);

    net::shared_frame update(const log::event& happened, lazy_snapshot& at);
    net::shared_frame shredded(revision from, const log::event& last);
    net::shared_frame caught_up(revision at);

    /// Empty: unknown, or removed since. Throws log::log_failure, as all that makes updates
    /// does: an answer is refused for it, and a socket ends, so that its client dials again and reads on where it was.
    std::string machine_name(account_id account, machine_row_id row, lazy_snapshot& at);

    const log::event_log& source() const noexcept { return source_; }
    output_budget& output() noexcept { return output_; }

private:
    const log::event_log& source_;
    const log_id log_;
    output_budget& output_;
    std::mutex guard_;
    std::unordered_map<machine_row_id, std::string> machines_;
    /// Of large updates, while somebody holds them: readers that stand at the same place hold the same.
    std::unordered_map<lsn, std::weak_ptr<const net::message_frame>> large_;
};

/// The same for one reader with one snapshot.
class snapshot_renderer final : public renderer
{
public:
    snapshot_renderer(update_writer& writer, lazy_snapshot& at) : writer_(writer), at_(at) {}
    net::shared_frame update(const log::event& happened) override { return writer_.update(happened, at_); }
    net::shared_frame shredded(revision from, const log::event& last) override { return writer_.shredded(from, last); }
    net::shared_frame caught_up(revision at) override { return writer_.caught_up(at); }

private:
    update_writer& writer_;
    lazy_snapshot& at_;
};

/// `42["name",<json>]`, ready to be sent to many.
net::shared_frame event_frame(std::string_view name, std::string_view json);

} // namespace consortium::relay
