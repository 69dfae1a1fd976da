#include "identity/sign_in.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/login.hpp"
#include "identity/device_book.hpp"
#include "identity/statement_list.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto unfinished_file = "sign-in.json";
constexpr int conflicts_max = 3;

std::unexpected<relay_failure> not_ours(std::string_view what)
{
    return std::unexpected(
        relay_failure{{errc::corrupt, "The relay's answer is refused: " + std::string(what), std::nullopt}});
}

asio::awaitable<relay_answer<std::string>> ask_for_challenge(relay_client& relay, const ed25519_public& key)
{
    const auto origin = e2ee::origin_of(relay.server_url());
    if (!origin)
        co_return std::unexpected(relay_failure{origin.error()});
    const auto given = co_await relay.post(
        "/v1/auth/challenge", {{"publicKey", base64_encode(key)}, {"origin", *origin}}, "challenge");
    if (!given)
        co_return std::unexpected(given.error());
    co_return given->text("challenge");
}

result<bytes> check_challenge(const relay_client& relay, const std::string& text, const ed25519_public& key)
{
    const auto origin = e2ee::origin_of(relay.server_url());
    if (!origin)
        return std::unexpected(origin.error());
    return e2ee::challenge_check(text, *origin, key);
}

/// The account that a token is for, by its claims; only the relay can verify them.
std::string account_of_token(std::string_view token)
{
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos)
        return {};
    const auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
    if (!payload)
        return {};
    boost::system::error_code problem;
    const auto value = json::parse(json::string_view(text(*payload).data(), payload->size()), problem);
    return problem || !value.is_object() ? std::string() : text_at(value.get_object(), "sub");
}

/// The token of an answer, if it is for that account.
relay_answer<std::string> token_of(const unchecked& answer, const account_id& account)
{
    auto token = answer.text("token");
    if (answer.uuid("accountId") != to_string(account) || account_of_token(token) != to_string(account))
        return not_ours("its token is for another account.");
    return token;
}

} // namespace

asio::awaitable<relay_answer<std::string>>
sign_in_alone(relay_client& relay, const account_id& account, const ed25519_key& device)
{
    const auto text = co_await ask_for_challenge(relay, device.public_key());
    if (!text)
        co_return std::unexpected(text.error());
    const auto challenge = check_challenge(relay, *text, device.public_key());
    if (!challenge)
        co_return std::unexpected(relay_failure{challenge.error()});
    const auto answer = co_await relay.post(
        "/v1/auth",
        {{"accountId", to_string(account)},
         {"device", json::object{{"publicKey", base64_encode(device.public_key())}, {"kind", "agent"}}},
         {"challenge", *text},
         {"deviceSignature", base64_encode(e2ee::sign_device_login(*challenge, device))}},
        "token");
    if (!answer)
        co_return std::unexpected(answer.error());
    co_return token_of(*answer, account);
}

result<std::optional<unfinished_sign_in>> load_unfinished_sign_in(const keystore& store)
{
    const auto kept = store.load_object(unfinished_file);
    if (!kept)
        return std::unexpected(kept.error());
    if (!*kept)
        return std::optional<unfinished_sign_in>();
    const unchecked from(**kept);
    unfinished_sign_in out;
    out.server_url = from.text("server");
    const auto secret = base64_decode(from.text("accountSecret"));
    const auto seed = base64_decode(from.text("deviceSeed"));
    const auto account = parse_uuid<account_id>(from.text("account"));
    auto statements = read_statements(from);
    if (out.server_url.empty() || !secret || secret->size() != 32 || !seed || seed->size() != 32 || !account ||
        !statements)
        return fail(errc::corrupt, (store.directory() / unfinished_file).string() + " is damaged.");
    out.account_secret = key256::from(*secret);
    out.device_seed = key256::from(*seed);
    out.made_here = from.flag("madeHere");
    out.account = *account;
    out.statements = std::move(*statements);
    return std::optional(std::move(out));
}

result<void> save_unfinished_sign_in(const keystore& store, const unfinished_sign_in& value)
{
    return store.save_object(
        unfinished_file, {{"server", value.server_url},
                          {"accountSecret", base64_encode(value.account_secret.view())},
                          {"deviceSeed", base64_encode(value.device_seed.view())},
                          {"madeHere", value.made_here},
                          {"account", to_string(value.account)},
                          {"statements", write_statements(value.statements)}});
}

result<void> forget_unfinished_sign_in(const keystore& store)
{
    return store.forget_object(unfinished_file);
}

result<void>
keep_identity(const keystore& store, const identity& who, const key256& device_seed, const device_chain& chain)
{
    // The identity last: whoever finds it finds the rest.
    const auto kept = store.change_object(
        device_file(chain.account()),
        [&](json::object& value) -> result<void>
        {
            device_set known(chain.account(), chain.account_key());
            if (!value.empty())
            {
                const auto before = read_statements(unchecked(value));
                if (!before || !known.learn(*before))
                    return fail(errc::corrupt, "What is kept of the account's devices is damaged.");
            }
            if (const auto learned = known.learn(chain); !learned)
                return std::unexpected(learned.error());
            value["statements"] = write_statements(known.statements());
            return {};
        });
    if (!kept)
        return kept;
    if (auto saved = store.save_device_seed(device_seed); !saved)
        return saved;
    return store.save_identity(who);
}

asio::awaitable<result<identity>> sign_in_with_secret(
    relay_client& relay, const keystore& store, unfinished_sign_in& what, bool create, std::string name,
    const clock_source& clock, std::string invitation)
{
    const auto keys = e2ee::make_account_keys(what.account_secret);
    const auto device = ed25519_key::from_seed(what.device_seed);
    if (name.size() > limits::device_name_bytes_max)
        name.resize(limits::device_name_bytes_max);
    auto challenge_text = co_await ask_for_challenge(relay, keys.login.public_key());
    if (!challenge_text)
        co_return std::unexpected(challenge_text.error());
    std::string statement;
    for (int conflicts = 0; conflicts <= conflicts_max; ++conflicts)
    {
        const auto challenge = check_challenge(relay, *challenge_text, keys.login.public_key());
        if (!challenge)
            co_return std::unexpected(challenge.error());
        const auto signatures = e2ee::sign_login(*challenge, keys.login, device);
        json::object body{
            {"publicKey", base64_encode(keys.login.public_key())},
            {"challenge", *challenge_text},
            {"signature", base64_encode(signatures.account)},
            {"device", json::object{{"publicKey", base64_encode(device.public_key())}, {"kind", "agent"}}},
            {"deviceSignature", base64_encode(signatures.device)}};
        if (!statement.empty())
            body["statement"] = statement;
        if (create)
            body["create"] = true;
        if (!invitation.empty())
            body["invitation"] = invitation;
        const auto answer = co_await relay.post("/v1/auth", std::move(body), "token");
        if (answer)
        {
            const auto account = parse_uuid<account_id>(answer->uuid("accountId"));
            if (!account || (!what.statements.empty() && *account != what.account))
                co_return fail(errc::corrupt, "The relay's answer is refused: it names another account.");
            const auto token = token_of(*answer, *account);
            if (!token)
                co_return std::unexpected(token.error());
            identity out;
            out.server_url = relay.server_url();
            out.token = *token;
            out.account_id = to_string(*account);
            out.account_key = keys.login.public_key();
            out.content_key = keys.content.public_key();
            out.since = clock.now();
            if (what.made_here)
                out.account_secret = what.account_secret;
            device_chain chain(*account, keys.login.public_key());
            if (const auto whole = chain.append(what.statements); !whole)
                co_return std::unexpected(whole.error());
            if (const auto kept = keep_identity(store, out, what.device_seed, chain); !kept)
                co_return std::unexpected(kept.error());
            if (const auto done = forget_unfinished_sign_in(store); !done)
                co_return std::unexpected(done.error());
            co_return out;
        }
        const auto& refused = answer.error();
        const auto account = parse_uuid<account_id>(refused.said.uuid("accountId"));
        const auto list = read_statements(refused.said);
        if (!refused.by_relay || refused != errc::conflict || !account || !list)
            co_return std::unexpected(refused);
        if (conflicts == conflicts_max)
            co_return fail(errc::conflict, "Others change the account's devices at the same time. Try again.");

        device_chain chain(*account, keys.login.public_key());
        if (const auto whole = chain.append(*list); !whole)
            co_return fail(
                errc::corrupt, "The relay's list of the account's devices is refused: " + whole.error().detail +
                                   ". Nothing was signed.");
        if (const auto own = chain.find(device.public_key()))
            co_return fail(
                errc::corrupt, own->revoked ? "This machine was revoked. Sign in anew for a new key."
                                            : "The relay does not know a device that its own list names.");
        const auto sealed = box_bundle_seal(keys.content.public_key(), view(name));
        if (!sealed)
            co_return std::unexpected(sealed.error());
        device_statement said;
        said.account = *account;
        said.n = chain.head().n + 1;
        said.previous = chain.head().hash;
        said.action = statement_action::add;
        said.device = device.public_key();
        said.kind = device_kind::agent;
        said.time = clock.now();
        said.sealed_name = *sealed;
        const auto raw = sign_statement(keys.login, said);
        if (const auto follows = chain.append(byte_view(raw)); !follows)
            co_return std::unexpected(follows.error());
        what.account = *account;
        what.statements = chain.statements();
        // What is signed is out, whatever is answered.
        if (const auto saved = save_unfinished_sign_in(store, what); !saved)
            co_return std::unexpected(saved.error());
        statement = base64_encode(raw);
        *challenge_text = refused.said.text("challenge");
    }
    co_return fail(errc::internal, "a sign-in has no end");
}

} // namespace consortium::agent
