#pragma once
#include "consortium/common/checkpoint.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include <string>
#include <string_view>
#include <variant>

/// What a relay says, under signature, when something was deleted: docs/protocol.md, "Deletion receipts". Pure.
namespace consortium::protocol::v1
{

struct deleted_session
{
    session_id id;
    std::uint64_t messages = 0;
    friend bool operator==(const deleted_session&, const deleted_session&) = default;
};
struct deleted_account
{
    account_id id;
    std::uint64_t sessions = 0;
    std::uint64_t machines = 0;
    friend bool operator==(const deleted_account&, const deleted_account&) = default;
};

struct deletion_receipt
{
    std::variant<deleted_session, deleted_account> what;
    std::uint64_t created = 0; ///< revision
    std::uint64_t deleted = 0; ///< revision
    std::int64_t time = 0;     ///< ms since epoch
    checkpoint head;           ///< covers the deletion; its origin is the receipt's

    /// The lines that are signed, as a note of the log's own signer.
    std::string text() const;
    /// errc::bad_request for anything but such a text to the letter.
    static result<deletion_receipt> parse(std::string_view text);

    friend bool operator==(const deletion_receipt&, const deletion_receipt&) = default;
};

/// The receipt in a note that `by` signed. Errors as note::open; errc::corrupt also when its origin is not the signer's
/// name.
result<deletion_receipt> open_receipt(std::string_view signed_note, const note::verifier& by);

} // namespace consortium::protocol::v1
