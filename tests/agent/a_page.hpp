#pragma once
#include "consortium/common/base64.hpp"
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/chain.hpp"
#include <boost/json.hpp>

namespace consortium::agent::testing
{

/// A page of the dashboard: a sender of prompts in one session.
struct a_page
{
    account_id account;
    std::string session;
    key256 key;
    ed25519_key device = ed25519_key::random();
    e2ee::chain_sender sender = {};
    std::optional<e2ee::bundle_id> seen = std::nullopt;
    unix_millis until = 0;

    struct sealed
    {
        e2ee::bundle_id id{};
        std::string bundle;
        std::uint64_t n = 0;
        std::string name() const { return base64_encode(id); }
    };
    static boost::json::value ask(const std::string& text)
    {
        return {{"role", "user"}, {"content", {{"type", "text"}, {"text", text}}}, {"meta", {{"sentFrom", "web"}}}};
    }
    sealed prompt(const std::string& text) { return say(ask(text)); }
    sealed say(boost::json::value d)
    {
        const auto id = random_array<16>();
        return seal(id, sender.next(id, 1, std::move(d)));
    }
    sealed seal(const e2ee::bundle_id& id, e2ee::envelope words) const
    {
        const auto n = words.n;
        return {id, carry(id, e2ee::prompt_text({std::move(words), seen, until})), n};
    }
    /// Any text, signed and sealed as a prompt is.
    std::string carry(const e2ee::bundle_id& id, std::string text) const
    {
        const auto act = e2ee::sign_act(device, {account, session, "prompt", id}, std::move(text));
        return bundle(id, view(e2ee::act_plain(act)));
    }
    std::string bundle(const e2ee::bundle_id& id, byte_view plain, const std::string& kind = "prompt") const
    {
        return base64_encode(e2ee::bundle_seal(key, {to_string(account), session, kind}, id, plain).value());
    }
};

} // namespace consortium::agent::testing
