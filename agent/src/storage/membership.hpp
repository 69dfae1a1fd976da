#pragma once
#include "identity/device_book.hpp"
#include "identity/keystore.hpp"

/// This machine's place in the account: keeping it, losing it, giving it up.
namespace consortium::agent
{

/// The book of the account that this machine belongs to. errc::corrupt; errc::io.
result<std::unique_ptr<device_book>>
open_book(const keystore& store, relay_client& relay, const identity& who, const clock_source& clock);

/// A new token in the place of one that the relay does not take any more, stored. A relay that does not know this
/// machine is first given the statements that are kept: it was restored from a backup. errc::revoked without a
/// statement that says so is only the relay's word.
asio::awaitable<relay_answer<std::string>>
renew_token(const keystore& store, relay_client& relay, identity& who, const device_book& book);

/// What the relay's refusal of this machine's token is worth (relay_client::judge_denial). `revoked` comes out of it
/// where a statement says so, and nowhere else; `unauthorized` where the relay has no such account.
asio::awaitable<relay_answer<std::string>>
judge_denial(const keystore& store, relay_client& relay, identity& who, device_book& book, relay_failure denied);

/// A statement revokes this machine: keys and spools of all its sessions go to the trash, but for those that another
/// process runs, which does it by itself. How many went.
std::size_t move_sessions_to_trash(const keystore& store, const identity& who, unix_millis now);

/// The person logs out: they are destroyed, those in the trash too. errc::locked while one of them runs: nothing was
/// done then.
result<void> destroy_sessions(const keystore& store, const identity& who, unix_millis now);

} // namespace consortium::agent
