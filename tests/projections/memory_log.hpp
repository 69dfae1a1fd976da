#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "projections/stated_account.hpp"
#include "projections/wishes.hpp"
#include <gtest/gtest.h>
#include <map>
#include <set>

/// The log without a disk: numbers, shredding and view rows as the real one has them, in memory.
namespace consortium::projections::testing
{

/// View rows in two layers, as the sequencer sees them: what is committed, and the batch that is being made.
class memory_views final : public log::view_writer
{
public:
    explicit memory_views(std::uint8_t secret = 7)
        : key_{secret}, committed_(rules().tables().size()), pending_(rules().tables().size())
    {
    }

    std::optional<bytes> get(log::table_id table, byte_view key) const override
    {
        const auto name = to_bytes(key);
        if (const auto found = pending_.at(table).find(name); found != pending_[table].end())
            return found->second;
        const auto found = committed_[table].find(name);
        return found == committed_[table].end() ? std::nullopt : std::optional(found->second);
    }

    void scan(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        const auto merged = merge(table, prefix);
        const auto first = from.empty() ? merged.begin() : merged.lower_bound(to_bytes(from));
        for (auto row = first; row != merged.end(); ++row)
            if (!visit(row->first, row->second))
                return;
    }

    void scan_down(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        const auto merged = merge(table, prefix);
        auto last = from.empty() ? merged.end() : merged.upper_bound(to_bytes(from));
        while (last != merged.begin())
            if (--last; !visit(last->first, last->second))
                return;
    }

    byte_array<16> prf(byte_parts parts) const override { return to_array<16>(hmac_sha256(key_, parts)); }

    void put(log::table_id table, byte_view key, bytes value) override
    {
        pending_.at(table)[to_bytes(key)] = std::move(value);
    }
    void erase(log::table_id table, byte_view key) override { pending_.at(table)[to_bytes(key)] = std::nullopt; }
    void erase_prefix(log::table_id table, byte_view prefix) override
    {
        for (const auto& [key, value] : merge(table, prefix))
            erase(table, key);
    }

    void commit()
    {
        for (log::table_id table = 0; table < pending_.size(); ++table)
        {
            for (auto& [key, value] : pending_[table])
                if (value)
                    committed_[table][key] = std::move(*value);
                else
                    committed_[table].erase(key);
            pending_[table].clear();
        }
    }

    using rows = std::map<bytes, bytes>;
    const std::vector<rows>& tables()
    {
        commit();
        return committed_;
    }
    std::size_t row_count()
    {
        std::size_t total = 0;
        for (const auto& table : tables())
            total += table.size();
        return total;
    }

private:
    rows merge(log::table_id table, byte_view prefix) const
    {
        const auto begins = [&](const bytes& key)
        { return key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin()); };
        rows out;
        for (auto row = committed_.at(table).lower_bound(to_bytes(prefix));
             row != committed_[table].end() && begins(row->first); ++row)
            out.insert(*row);
        for (auto row = pending_[table].lower_bound(to_bytes(prefix));
             row != pending_[table].end() && begins(row->first); ++row)
            if (row->second)
                out[row->first] = *row->second;
            else
                out.erase(row->first);
        return out;
    }

    bytes key_;
    std::vector<rows> committed_;
    std::vector<std::map<bytes, std::optional<bytes>>> pending_;
};

/// Makes an event that no command makes any more, as logs of an older version hold it.
class old_event final : public log::command
{
public:
    account_id of;
    log::event_type type{};
    device_id about;
    log::event_body body;

    account_id account() const override { return of; }
    std::size_t size() const override { return sizeof(*this); }
    result<log::decision> decide(const log::view_reader&, unix_millis) override
    {
        log::decision out{.account = of, .drafts = {}};
        out.drafts.push_back(
            {.type = type, .stream = about.as<stream_id>(), .key = of.as<key_id>(), .destroys = {}, .body = body});
        return out;
    }
};

class memory_log
{
public:
    unix_millis now = 1'700'000'000'000;
    memory_views views;

    /// Decides, numbers and folds, and checks on the way what the sequencer relies on.
    result<std::vector<log::event>> submit(log::command& wanted)
    {
        auto decided = wanted.decide(views, now);
        if (!decided)
            return std::unexpected(decided.error());
        return append(*decided);
    }

    lsn head() const { return {events_.size()}; }
    /// As it reads now: without a body when its key was destroyed.
    log::event read(lsn number) const
    {
        const auto& stored = events_.at(number.value - 1);
        auto out = stored.happened;
        if (!keys_.contains(stored.key))
            out.body.reset();
        return out;
    }
    std::size_t key_count() const { return keys_.size(); }

private:
    std::vector<log::event> append(log::decision& decided)
    {
        std::vector<log::event> out;
        for (auto& draft : decided.drafts)
        {
            const auto rev = rules().last_revision(views, decided.account).next();
            EXPECT_EQ(keys_.insert(draft.key).second, draft.creates_key) << log::name(draft.type);
            log::event happened{
                .number = lsn{events_.size() + 1},
                .header =
                    {.type = draft.type,
                     .account = decided.account,
                     .stream = draft.stream,
                     .rev = rev,
                     .seq = draft.seq,
                     .time = now},
                .body = std::move(draft.body)};
            rules().fold(happened, views);
            for (const auto& key : draft.destroys)
                EXPECT_EQ(keys_.erase(key), 1u) << "destroys a key that is not there";
            events_.push_back({happened, draft.key});
            out.push_back(std::move(happened));
        }
        return out;
    }

    struct stored_event
    {
        log::event happened;
        key_id key;
    };
    std::vector<stored_event> events_;
    std::set<key_id> keys_;
};

/// Where the statements of an account's chain end.
inline chain_head chain_head_of(const log::snapshot& at, account_id account)
{
    chain_head out;
    for (const auto& statement : list_statements(at, account).value())
        out = head_after(out, parse_statement(statement).value(), statement);
    return out;
}

class memory_snapshot final : public log::snapshot
{
public:
    explicit memory_snapshot(const memory_log& source) : log_(source) {}

    std::optional<bytes> get(log::table_id table, byte_view key) const override { return log_.views.get(table, key); }
    void scan(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        log_.views.scan(table, prefix, from, visit);
    }
    void scan_down(log::table_id table, byte_view prefix, byte_view from, const visitor& visit) const override
    {
        log_.views.scan_down(table, prefix, from, visit);
    }
    byte_array<16> prf(byte_parts parts) const override { return log_.views.prf(parts); }
    lsn head() const override { return log_.head(); }
    result<log::event> read(lsn number) const override
    {
        if (number.value == 0 || number > head())
            return fail(errc::not_found, "above the head");
        return log_.read(number);
    }
    result<std::vector<log::event>> read(lsn first, std::size_t count_max, std::size_t bytes_max) const override
    {
        std::vector<log::event> out;
        std::size_t bytes_read = 0;
        for (auto next = first; next <= head() && out.size() < count_max && bytes_read < bytes_max; next = next.next())
        {
            out.push_back(log_.read(next));
            bytes_read += out.back().header.body_bytes;
        }
        return out;
    }
    result<log::record_proof> prove(lsn, std::uint64_t) const override { return no_tree(); }
    result<merkle::proof> prove_consistency(std::uint64_t, std::uint64_t) const override { return no_tree(); }
    std::string checkpoint() const override { return {}; }

private:
    static std::unexpected<error> no_tree() { return fail(errc::unavailable, "a log in memory has no tree"); }

    const memory_log& log_;
};

/// Bytes that look like a key of 32 bytes and say which one they are.
inline byte_array<32> key_of(std::uint8_t which)
{
    byte_array<32> out{};
    out.fill(which);
    return out;
}

/// An account with a browser and an agent, and the commands with their usual values.
class memory_log_test : public ::testing::Test
{
protected:
    memory_log log_;
    memory_snapshot at_{log_};

    std::map<std::uint8_t, stated_account> accounts_;

    stated_account& account(std::uint8_t key) { return accounts_.try_emplace(key, key).first->second; }
    /// As a device that a statement adds.
    principal sign_in(std::uint8_t account_key, std::uint8_t device_key, device_kind kind)
    {
        auto wanted = account(account_key).sign_in(device_key, kind);
        EXPECT_TRUE(log_.submit(wanted).has_value());
        return {wanted.found_account, wanted.found_device, wanted.found_kind};
    }
    result<std::vector<log::event>> state(const stated_account& whose, bytes statement)
    {
        append_statements wanted;
        wanted.of = whose.id;
        wanted.account_key = whose.public_key();
        wanted.items.push_back({std::move(statement), new_id<device_id>()});
        return log_.submit(wanted);
    }
    void append_old(account_id of, log::event_type type, device_id about, log::event_body body = log::no_body{})
    {
        old_event wanted;
        wanted.of = of;
        wanted.type = type;
        wanted.about = about;
        wanted.body = std::move(body);
        EXPECT_TRUE(log_.submit(wanted).has_value());
    }
    principal browser_ = sign_in(1, 10, log::device_kind::browser);
    principal agent_ = sign_in(1, 11, log::device_kind::agent);

    session_id session_of(const principal& who, std::string tag)
    {
        auto wanted = session_wish(who, std::move(tag));
        EXPECT_TRUE(log_.submit(wanted).has_value());
        return wanted.session;
    }
    result<std::vector<log::event>> submit(log::command&& wanted) { return log_.submit(wanted); }
    /// The error a command ends with; errc::internal with "succeeded" if it does not.
    errc refusal(log::command&& wanted)
    {
        const auto head = log_.head();
        const auto outcome = log_.submit(wanted);
        EXPECT_EQ(log_.head(), head) << "a refused command wrote something";
        EXPECT_FALSE(outcome.has_value());
        return outcome ? errc::internal : outcome.error().code;
    }
    /// "code: what was said of it", and nothing was written.
    std::string refusal_text(log::command&& wanted)
    {
        const auto head = log_.head();
        const auto outcome = log_.submit(wanted);
        EXPECT_EQ(log_.head(), head) << "a refused command wrote something";
        return outcome ? "succeeded" : std::string(word(outcome.error().code)) + ": " + outcome.error().detail;
    }
};

} // namespace consortium::projections::testing
