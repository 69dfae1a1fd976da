#include "consortium/log/event_log.hpp"
#include "event_feed.hpp"
#include "key_compactor.hpp"
#include "open_log.hpp"
#include "recovery.hpp"
#include "root_key.hpp"
#include "sequencer.hpp"
#include "view_healer.hpp"
#include <mutex>
#include <spdlog/spdlog.h>

namespace consortium::log
{
namespace
{

class rocks_event_log final : public event_log
{
public:
    rocks_event_log(
        opened_directory opened, witness_file witness, counts at_opening, const log_options& options,
        const domain& rules, commit_sink& sink, const clock_source& clock, const seams& below)
        : with_(opened.with),
          id_(opened.head.id),
          at_opening_(at_opening),
          directory_(options.directory),
          below_(below),
          disk_(options.directory, options.disk_free_floor_bytes, below),
          recent_(opened.head.number(), below.recent),
          compactor_(opened.store, {.delay = options.compact_delay, .disk = disk_, .below = below}),
          sequencer_(
              {.store = opened.store,
               .with = opened.with,
               .witness = std::move(witness),
               .head = std::move(opened.head),
               .tiles = std::move(opened.tiles),
               .checkpoint = opened.checkpoint,
               .rules = rules,
               .sink = sink,
               .recent = recent_,
               .clock = clock,
               .disk = disk_,
               .options = options,
               .below = below,
               .destroyed = [this](lsn by, std::uint64_t sequence) { compactor_.destroyed(by, sequence); }}),
          healer_(
              {.store = opened.store,
               .with = opened.with,
               .rules = rules,
               .clock = clock,
               .disk = disk_,
               .names = {options.directory},
               .follow = [this] { return follow({}); },
               .head = [this] { return sequencer_.published()->head(); },
               .between_batches = [this](const std::function<void()>& what)
               { return sequencer_.between_batches(what); }})
    {
    }

    result<void> submit(std::shared_ptr<command> wanted) override { return sequencer_.submit(std::move(wanted)); }
    std::unique_ptr<snapshot> read() const override { return make_snapshot(sequencer_.published(), with_); }
    result<std::unique_ptr<event_feed>> follow(lsn after) override
    {
        return make_feed(recent_, [this] { return read(); }, after);
    }
    log_id id() const override { return id_; }
    const relay_keys& keys() const override { return with_->keys->relay(); }
    counts opened() const override { return at_opening_; }
    note::verifier checkpoint_key() const override { return with_->verifier(); }
    result<void> compact() override { return compactor_.compact(); }
    result<std::size_t> rebuild_views(std::optional<std::string_view> table) override { return healer_.rebuild(table); }
    std::uint64_t view_rebuilds() const override { return healer_.rebuilds(); }
    result<void> rekey(
        std::string_view old_secret, std::string_view new_secret,
        const std::optional<std::filesystem::path>& secret_file) override
    {
        const std::lock_guard one_at_a_time(rekey_mutex_);
        return rewrap_root_key(directory_ / "root.key", old_secret, new_secret, secret_file, below_);
    }
    void close() override
    {
        compactor_.stop();
        healer_.stop();
        sequencer_.close();
        recent_.close();
    }

private:
    std::shared_ptr<reading> with_;
    log_id id_;
    counts at_opening_;
    std::filesystem::path directory_;
    seams below_;
    std::mutex rekey_mutex_;
    disk_floor disk_;
    recent_events recent_;
    key_compactor compactor_;
    sequencer sequencer_;
    view_healer healer_;
};

} // namespace

result<std::unique_ptr<event_log>> open_log_over(
    const log_options& options, const domain& rules, commit_sink& sink, const clock_source& clock, const seams& below)
{
    const auto begun = std::chrono::steady_clock::now();
    auto opened = open_directory(options, rules, below, store_access::read_write);
    if (!opened)
        return std::unexpected(opened.error());
    auto witness = witness_file::open(opened->witness_path, opened->witness, below);
    if (!witness)
        return std::unexpected(witness.error());
    // What is served from now on is acknowledged: it must not be lost unnoticed.
    if (auto advanced = witness->advance(opened->head.number(), opened->head.tree.root()); !advanced)
        return std::unexpected(advanced.error());
    below.opened(*opened->store);
    const counts at_opening{
        .head = opened->head.number(),
        .kept_records = opened->unwitnessed_records,
        .repaired_bytes = opened->torn_bytes,
        .opening = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun)};
    if (at_opening.kept_records > 0 || at_opening.repaired_bytes > 0)
        spdlog::warn(
            "the log was not closed in order: {} intact records that nobody was told of were kept, {} bytes of a "
            "torn batch that was never acknowledged were dropped",
            at_opening.kept_records, at_opening.repaired_bytes);
    return std::make_unique<rocks_event_log>(
        std::move(*opened), std::move(*witness), at_opening, options, rules, sink, clock, below);
}

result<std::unique_ptr<event_log>>
open_log(const log_options& options, const domain& rules, commit_sink& sink, const clock_source& clock)
{
    return open_log_over(options, rules, sink, clock, {});
}

} // namespace consortium::log
