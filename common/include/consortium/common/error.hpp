#pragma once
#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace consortium
{

/// Every expected failure, by what a caller can do about it. The wire word of each is `word()`.
enum class errc
{
    bad_request = 1,     ///< malformed or out of range; the same input always fails
    unauthorized,        ///< no token, or one that this relay did not make
    forbidden,           ///< a good token that reaches no further
    revoked,             ///< the device was revoked
    not_found,           ///< unknown, or someone else's: the two are never told apart
    conflict,            ///< exists already in another form
    version_mismatch,    ///< the expected version is not the current one
    too_large,           ///< above a bound of limits.hpp
    rate_limited,        ///< try again after `error::retry`
    overloaded,          ///< a bounded queue is full; try again after `error::retry`
    quota,               ///< the account has all it may have; try again after `error::retry`, when room was made
    invitation_required, ///< a new account needs an invitation, or another one than this
    registration_closed, ///< this relay takes no new accounts
    wrong_origin,        ///< a login for another relay's address
    expired,             ///< was good once
    timeout,             ///< no answer in time
    cancelled,           ///< given up by the caller's side
    closed,              ///< the peer or the program is going away
    unavailable,         ///< refused for now (disk below its floor); reads go on
    stale_epoch,         ///< written under another lease than the session's
    locked,              ///< another process holds the directory
    wrong_secret,        ///< the master secret does not open the root key
    newer_version,       ///< written by a newer version of this program
    corrupt,             ///< bytes on disk or from a peer fail their check
    log_truncated,       ///< the log does not reach its witness: acknowledged records are missing
    io,                  ///< the operating system refused; errno's text is in `detail`
    internal,            ///< a bug; reported, that one request fails
};

/// The stable word of an error on the wire (`code`), e.g. "not-found".
std::string_view word(errc code) noexcept;

/// An errc plus what the user must know: what happened and what to do next.
struct error
{
    errc code = errc::internal;
    std::string detail;
    /// When trying again may help, and after how long. Empty: never.
    std::optional<std::chrono::milliseconds> retry;

    friend bool operator==(const error& left, errc right) noexcept { return left.code == right; }
};

template <class T>
using result = std::expected<T, error>;

/// `return fail(errc::not_found, "no session with this id");`
std::unexpected<error> fail(errc code, std::string detail);
std::unexpected<error> fail(errc code, std::string detail, std::chrono::milliseconds retry);
/// An errc::io whose detail is `what` and the text of `saved_errno`.
std::unexpected<error> fail_errno(std::string_view what, int saved_errno);

/// Ends the process with the place and the text. Only for broken invariants, never for outside input.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

} // namespace consortium

/// Checked in release too.
#define CONSORTIUM_ASSERT(expression)                                                                                  \
    (static_cast<bool>(expression) ? void() : ::consortium::assertion_failed(#expression, __FILE__, __LINE__))
