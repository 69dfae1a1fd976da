#pragma once
#include "consortium/common/ids.hpp"
#include <optional>
#include <string>
#include <string_view>

/// Invitations: a code lets one person make one account (docs/protocol.md 2.9). The log knows the hash alone.
namespace consortium
{

struct invitation
{
    std::string code; ///< five groups of five letters of base32, 125 bits
    invitation_id id;
};
/// A new one, which nobody can guess.
invitation make_invitation();

/// As a person may have typed it, or the link that holds it. Empty: no code.
std::optional<invitation_id> invitation_of(std::string_view code);

/// What a person opens: the dashboard with the code behind the `#`, which no server sees and no log keeps.
std::string invitation_link(std::string_view relay_url, std::string_view code);

} // namespace consortium
