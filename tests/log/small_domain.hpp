#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/log/event_log.hpp"
#include "log/await_views.hpp"
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <stdlib.h>

/// A domain of its own for the log's tests: accounts hold sessions, sessions hold messages and one cell that is written
/// with optimistic locking.
namespace consortium::log::testing
{

enum small_table : table_id
{
    table_accounts, ///< prf(account) -> last revision
    table_cells,    ///< prf(account) ‖ session -> version, messages
    table_messages, ///< prf(account) ‖ session ‖ seq -> lsn
};

inline std::uint64_t number_in(byte_view data, std::size_t index = 0)
{
    return load_big_endian<std::uint64_t>(data.subspan(index * 8));
}
inline bytes joined(byte_parts parts)
{
    bytes out;
    for (const auto part : parts)
        append(out, part);
    return out;
}

class small_domain final : public domain
{
public:
    std::span<const std::string_view> tables() const override
    {
        static constexpr std::array<std::string_view, 3> names{"accounts", "cells", "messages"};
        return names;
    }
    static byte_array<16> account_key(const view_reader& rows, account_id account)
    {
        return rows.prf({view("account"), account.view()});
    }
    static bytes cell_key(const view_reader& rows, account_id account, stream_id session)
    {
        return joined({account_key(rows, account), session.view()});
    }

    revision last_revision(const view_reader& rows, account_id account) const override
    {
        const auto row = rows.get(table_accounts, account_key(rows, account));
        return {row ? number_in(*row) : 0};
    }

    void fold(const event& happened, view_writer& rows) const override
    {
        const auto& header = happened.header;
        rows.put(table_accounts, account_key(rows, header.account), to_bytes(big_endian(header.rev.value)));
        const auto key = cell_key(rows, header.account, header.stream);
        switch (header.type)
        {
        case event_type::session_created:
            rows.put(table_cells, key, joined({big_endian(header.rev.value), big_endian(std::uint64_t{0})}));
            break;
        case event_type::session_metadata_changed:
        {
            const auto before = rows.get(table_cells, key).value();
            rows.put(table_cells, key, joined({big_endian(header.rev.value), byte_view(before).subspan(8)}));
            break;
        }
        case event_type::message_appended:
        {
            const auto before = rows.get(table_cells, key).value();
            rows.put(table_cells, key, joined({byte_view(before).first(8), big_endian(header.seq)}));
            rows.put(
                table_messages, joined({key, big_endian(header.seq)}), to_bytes(big_endian(happened.number.value)));
            break;
        }
        case event_type::session_deleted:
        {
            rows.erase(table_cells, key);
            rows.erase_prefix(table_messages, key);
            break;
        }
        default:
            break;
        }
    }
};

/// A command made of a function; its outcome can be waited for.
class test_command final : public command
{
public:
    using decider = std::function<result<decision>(const view_reader&, unix_millis)>;
    using events = std::vector<std::shared_ptr<const event>>;

    test_command(account_id account, std::size_t size, decider decide)
        : account_(account), size_(size), decide_(std::move(decide))
    {
    }
    account_id account() const override { return account_; }
    std::size_t size() const override { return size_; }
    result<decision> decide(const view_reader& rows, unix_millis now) override { return decide_(rows, now); }

    std::future<result<events>> outcome() { return promise_.get_future(); }
    void complete(result<events> committed) { promise_.set_value(std::move(committed)); }

private:
    account_id account_;
    std::size_t size_;
    decider decide_;
    std::promise<result<events>> promise_;
};

/// Completes test commands and remembers what it was told.
class test_sink final : public commit_sink
{
public:
    void on_commit(std::span<const outcome> batch) override
    {
        if (before_commit)
            before_commit(batch);
        {
            const std::lock_guard lock(mutex_);
            batch_sizes_.push_back(batch.size());
        }
        for (const auto& out : batch)
        {
            {
                const std::lock_guard lock(mutex_);
                if (out.committed)
                    for (const auto& happened : *out.committed)
                        order_.push_back(happened->number);
            }
            if (auto* mine = dynamic_cast<test_command*>(out.wanted.get()))
                mine->complete(out.committed);
        }
        const std::lock_guard lock(mutex_);
        changed_.notify_all();
    }
    void on_pressure(bool high) override
    {
        const std::lock_guard lock(mutex_);
        pressure_.push_back(high);
        changed_.notify_all();
    }
    void on_failure(const error& why) override
    {
        const std::lock_guard lock(mutex_);
        failures_.push_back(why);
        changed_.notify_all();
    }

    std::vector<lsn> order() const { return copy(order_); }
    std::vector<std::size_t> batch_sizes() const { return copy(batch_sizes_); }
    std::vector<bool> pressure() const { return copy(pressure_); }
    std::vector<error> failures() const { return copy(failures_); }
    template <class Condition>
    void wait_until(Condition condition)
    {
        std::unique_lock lock(mutex_);
        while (!condition(*this))
            changed_.wait(lock);
    }

    /// Called first, on the log's thread.
    std::function<void(std::span<const outcome>)> before_commit;

private:
    template <class T>
    T copy(const T& what) const
    {
        const std::lock_guard lock(mutex_);
        return what;
    }

    mutable std::recursive_mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<lsn> order_;
    std::vector<std::size_t> batch_sizes_;
    std::vector<bool> pressure_;
    std::vector<error> failures_;
};

inline account_id account_of(std::uint8_t number)
{
    account_id out;
    out.value.fill(number);
    out.value[0] = 0xa0;
    return out;
}
inline session_id session_of(std::uint8_t number)
{
    session_id out;
    out.value.fill(number);
    out.value[0] = 0x50;
    return out;
}

inline std::shared_ptr<test_command> create_account(account_id account)
{
    return std::make_shared<test_command>(
        account, 64,
        [=](const view_reader&, unix_millis) -> result<decision>
        {
            return decision{
                .account = account,
                .drafts = {draft{
                    .type = event_type::account_created,
                    .stream = account.as<stream_id>(),
                    .seq = 0,
                    .key = account.as<key_id>(),
                    .creates_key = true,
                    .destroys = {},
                    .body = account_created{.public_key = {1, 2, 3}}}}};
        });
}

inline std::shared_ptr<test_command>
create_session(account_id account, session_id session, std::string tag = "tag", std::string metadata = "bWV0YQ==")
{
    return std::make_shared<test_command>(
        account, 256,
        [=](const view_reader&, unix_millis) -> result<decision>
        {
            return decision{
                .account = account,
                .drafts = {draft{
                    .type = event_type::session_created,
                    .stream = session.as<stream_id>(),
                    .seq = 0,
                    .key = session.as<key_id>(),
                    .creates_key = true,
                    .destroys = {},
                    .body = session_created{.creator = {}, .tag = tag, .metadata = metadata, .data_key = {}}}}};
        });
}

/// Appends the contents as messages of the session, numbered on. errc::not_found once it was deleted.
inline std::shared_ptr<test_command>
say(account_id account, session_id session, std::vector<std::string> contents,
    std::optional<std::string> local_id = std::nullopt)
{
    std::size_t size = 64;
    for (const auto& content : contents)
        size += content.size();
    return std::make_shared<test_command>(
        account, size,
        [=](const view_reader& rows, unix_millis) -> result<decision>
        {
            const auto cell = rows.get(table_cells, small_domain::cell_key(rows, account, session.as<stream_id>()));
            if (!cell)
                return fail(errc::not_found, "no such session");
            decision out{.account = account, .drafts = {}};
            auto seq = number_in(*cell, 1);
            for (const auto& content : contents)
                out.drafts.push_back(
                    {.type = event_type::message_appended,
                     .stream = session.as<stream_id>(),
                     .seq = ++seq,
                     .key = session.as<key_id>(),
                     .creates_key = false,
                     .destroys = {},
                     .body = message_appended{.id = {make_uuid_v4()}, .local_id = local_id, .content = content}});
            return out;
        });
}

/// Writes the session's cell if `expected` is its version. errc::version_mismatch otherwise.
inline std::shared_ptr<test_command>
write_cell(account_id account, session_id session, revision expected, std::string text)
{
    return std::make_shared<test_command>(
        account, text.size() + 64,
        [=](const view_reader& rows, unix_millis) -> result<decision>
        {
            const auto cell = rows.get(table_cells, small_domain::cell_key(rows, account, session.as<stream_id>()));
            if (!cell)
                return fail(errc::not_found, "no such session");
            if (number_in(*cell) != expected.value)
                return fail(errc::version_mismatch, std::to_string(number_in(*cell)));
            return decision{
                .account = account,
                .drafts = {draft{
                    .type = event_type::session_metadata_changed,
                    .stream = session.as<stream_id>(),
                    .seq = 0,
                    .key = session.as<key_id>(),
                    .creates_key = false,
                    .destroys = {},
                    .body = session_metadata_changed{.metadata = text}}}};
        });
}

inline std::shared_ptr<test_command> delete_session(account_id account, session_id session)
{
    return std::make_shared<test_command>(
        account, 64,
        [=](const view_reader&, unix_millis) -> result<decision>
        {
            return decision{
                .account = account,
                .drafts = {draft{
                    .type = event_type::session_deleted,
                    .stream = session.as<stream_id>(),
                    .seq = 0,
                    .key = account.as<key_id>(),
                    .creates_key = false,
                    .destroys = {session.as<key_id>()},
                    .body = no_body{}}}};
        });
}

/// A directory under the system's temporary one, removed afterwards.
class temporary_directory
{
public:
    temporary_directory()
    {
        auto name = (std::filesystem::temp_directory_path() / "consortium-log-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary directory");
        path_ = name;
    }
    ~temporary_directory() { std::filesystem::remove_all(path_); }
    temporary_directory(const temporary_directory&) = delete;
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

inline constexpr std::string_view test_secret = "a master secret for tests, long enough";

inline log_options options_for(const std::filesystem::path& directory)
{
    log_options out;
    out.directory = directory;
    out.master_secret = std::string(test_secret);
    out.disk_free_floor_bytes = 0;
    // No test waits for a clock: at closing only, unless it says otherwise.
    out.checkpoint_interval = std::chrono::hours(1);
    return out;
}

} // namespace consortium::log::testing
