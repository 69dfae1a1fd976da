#pragma once
#include "consortium/common/ids.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/e2ee/bundle.hpp"
#include <string>
#include <string_view>

/// What makes an agent act: text signed by a device, as the plaintext of one bundle (docs/protocol.md 5.2).
namespace consortium::e2ee
{

/// The one place where an act counts.
struct act_place
{
    account_id account;
    std::string scope; ///< session or machine id, as the bundle's place has it
    std::string kind;  ///< that of the bundle
    bundle_id bundle{};
};

struct signed_act
{
    std::string text;
    ed25519_public device{};
    ed25519_signature signature{};
};

signed_act sign_act(const ed25519_key& device, const act_place& place, std::string text);
/// Whether `said.device` signed this text for this place. Whether it may act is another question.
bool verify_act(const act_place& place, const signed_act& said);

/// `{text, device, signature}`
std::string act_plain(const signed_act& said);
/// The form alone. errc::corrupt for anything else.
result<signed_act> act_parse(byte_view plain);

/// How a verdict names the question it answers: hex SHA-256 of its text.
std::string ask_hash(std::string_view ask);

} // namespace consortium::e2ee
