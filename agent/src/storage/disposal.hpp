#pragma once
#include "identity/device_directory.hpp"
#include "link/from_relay.hpp"
#include <string_view>
#include <variant>

/// What may become of a session's key and of what was not sent yet. Nothing else decides that.
namespace consortium::agent
{

/// Nobody but this machine ever heard of the session: nobody can ask for what is in it.
struct never_shared
{
};

/// A browser of the account signed the deletion of this very session. Made by verifying that, and by nothing else.
class verified_deletion
{
public:
    /// `said`: `{device, signature}` as the relay hands it on (docs/protocol.md 2.8). Empty unless the device is a
    /// browser that no statement revokes.
    static std::optional<verified_deletion> verify(
        const unchecked& said, const std::string& account, const std::string& session, const device_directory& devices);

private:
    verified_deletion() = default;
};

/// The person at this machine gave up its place in the account.
struct logged_out
{
};

/// What was heard and is not proved. The reasons stand in the trash by their words.
enum class hearsay
{
    unsigned_deletion, ///< `delete-session` without a signature
    not_found,         ///< the relay says that there is no such session
    no_access,         ///< the relay knows neither token nor account any more
    device_revoked,
};
std::string_view word(hearsay what) noexcept;
/// For people, e.g. "the relay says that it was deleted".
std::string_view sentence(hearsay what) noexcept;
std::optional<hearsay> parse_hearsay(std::string_view word) noexcept;

/// What a failed request says about the session that it was about: nothing, unless the relay itself refused for good.
std::optional<hearsay> hearsay_of(const relay_failure& failure) noexcept;

using evidence = std::variant<never_shared, verified_deletion, logged_out, hearsay>;

/// What hearing of a deletion is evidence of: of itself where it is signed, otherwise of `otherwise`. Reads the chain
/// of devices where the signer is not known yet.
asio::awaitable<evidence>
weigh_deletion(unchecked said, hearsay otherwise, std::string account, std::string session, device_directory& devices);
/// What a failed request is evidence of; empty: of nothing.
asio::awaitable<std::optional<evidence>>
weigh_refusal(relay_failure failure, std::string account, std::string session, device_directory& devices);

enum class disposal
{
    destroy,
    to_trash,
};
disposal decide(const evidence& what) noexcept;

} // namespace consortium::agent
