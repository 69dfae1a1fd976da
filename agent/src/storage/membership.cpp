#include "storage/membership.hpp"
#include "identity/sign_in.hpp"
#include "identity/statement_list.hpp"
#include "storage/session_folder.hpp"
#include "storage/trash.hpp"

namespace consortium::agent
{
namespace
{

bool belongs_to(const identity& who, const std::string& server, const std::string& account)
{
    return server == who.server_url && account == who.account_id;
}

/// Those that no other process runs. errc::locked when one does and `all` are wanted.
result<std::vector<session_folder>> open_sessions(const keystore& store, const identity& who, bool all)
{
    std::vector<session_folder> out;
    for (const auto& tag : session_folder::list(store))
    {
        auto folder = session_folder::open(store, tag);
        if (!folder && folder.error() == errc::locked && all)
            return fail(errc::locked, "A session runs on this machine. End it first.");
        if (folder && belongs_to(who, folder->record().server_url, folder->record().account_id))
            out.push_back(std::move(*folder));
    }
    return out;
}

} // namespace

result<std::unique_ptr<device_book>>
open_book(const keystore& store, relay_client& relay, const identity& who, const clock_source& clock)
{
    const auto account = parse_uuid<account_id>(who.account_id);
    const auto seed = store.load_device_seed();
    if (!seed)
        return std::unexpected(seed.error());
    if (!account || !*seed)
        return fail(errc::corrupt, "This machine's own key is missing. `consortium auth login` pairs it anew.");
    return device_book::open(
        store, relay, *account, who.account_key, ed25519_key::from_seed(**seed).public_key(), clock);
}

asio::awaitable<relay_answer<std::string>>
renew_token(const keystore& store, relay_client& relay, identity& who, const device_book& book)
{
    const auto& account = book.set().account();
    const auto seed = store.load_device_seed();
    if (!seed || !*seed)
        co_return std::unexpected(relay_failure{{errc::corrupt, "This machine's own key is missing.", std::nullopt}});
    const auto device = ed25519_key::from_seed(**seed);
    auto token = co_await sign_in_alone(relay, account, device);
    if (!token && token.error().by_relay && token.error() == errc::not_found)
    {
        const auto branch = book.set().continuation(device_chain(account, book.set().account_key()));
        const auto posted =
            co_await relay.post("/v1/devices/statements", {{"statements", write_statements(branch)}}, "success");
        if (!posted)
            co_return std::unexpected(posted.error());
        token = co_await sign_in_alone(relay, account, device);
    }
    if (!token)
        co_return token;
    who.token = *token;
    relay.set_token(*token);
    if (const auto saved = store.save_identity(who); !saved)
        co_return std::unexpected(relay_failure{saved.error()});
    co_return token;
}

asio::awaitable<relay_answer<std::string>>
judge_denial(const keystore& store, relay_client& relay, identity& who, device_book& book, relay_failure denied)
{
    // What was refused for good is the relay's word alone, until something proves it.
    const auto unproved = [](std::string words)
    { return std::unexpected(relay_failure::not_reached({errc::unavailable, std::move(words), std::nullopt})); };
    if (denied == errc::revoked)
    {
        if (const auto read = co_await book.read_chain(); !read)
            co_return unproved("the relay says that this machine was revoked, and its list is not to be had");
        if (book.own() == device_standing::revoked)
            co_return std::unexpected(std::move(denied));
        co_return unproved("the relay says that this machine was revoked, and shows nothing that proves it");
    }
    auto token = co_await renew_token(store, relay, who, book);
    if (token || worth_retrying(token.error()))
        co_return token;
    if (token.error() == errc::not_found)
        co_return std::unexpected(std::move(denied)); // the account is gone there
    co_return std::unexpected(relay_failure{
        {errc::conflict,
         "its list of the account's devices went on without this machine: open a dashboard that knows it, or pair "
         "again with `consortium auth login`",
         std::nullopt}});
}

std::size_t move_sessions_to_trash(const keystore& store, const identity& who, unix_millis now)
{
    std::size_t moved = 0;
    auto sessions = open_sessions(store, who, /*all=*/false);
    for (auto& each : *sessions)
        moved += each.dispose(hearsay::device_revoked, now).has_value();
    return moved;
}

result<void> destroy_sessions(const keystore& store, const identity& who, unix_millis now)
{
    auto sessions = open_sessions(store, who, /*all=*/true);
    if (!sessions)
        return std::unexpected(sessions.error());
    for (auto& each : *sessions)
    {
        if (const auto destroyed = each.dispose(logged_out(), now); !destroyed)
            return std::unexpected(destroyed.error());
    }
    for (const auto& each : list_trash(store))
    {
        if (!belongs_to(who, each.server_url, each.account_id))
            continue;
        if (const auto destroyed = dispose_in_trash(store, each.tag, logged_out()); !destroyed)
            return std::unexpected(destroyed.error());
    }
    return {};
}

} // namespace consortium::agent
