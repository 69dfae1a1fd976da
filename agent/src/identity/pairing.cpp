#include "identity/pairing.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/net/http.hpp"
#include "identity/sign_in.hpp"
#include "identity/statement_list.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

constexpr auto unconfirmed_file = "pairing.json";

constexpr auto stranger_answered =
    "Somebody has answered who does not have this link. If you pasted it where others can write, make a new one.";
constexpr auto relay_forgot = "The relay knows nothing of this pairing any more. It forgets one after ten minutes, "
                              "when it is restarted, and when "
                              "too many others wait.";
constexpr auto other_end_refused =
    "The dashboard has ended it, or the digits typed there were not the ones shown here.";
constexpr auto time_is_over = "Ten minutes are over.";
constexpr auto wrong_digits =
    "Those are not the digits that belong to this machine. If they stand on the page that you opened, somebody else "
    "has answered in its place.";

} // namespace

result<std::optional<unconfirmed_pairing>> load_unconfirmed_pairing(const keystore& store)
{
    const auto kept = store.load_object(unconfirmed_file);
    if (!kept)
        return std::unexpected(kept.error());
    if (!*kept)
        return std::optional<unconfirmed_pairing>();
    const unchecked from(**kept);
    const auto key = [&](std::string_view name) { return base64_decode(from.text(name)).value_or(bytes()); };
    const auto account_key = key("accountKey");
    const auto content_key = key("contentKey");
    const auto hash = key("hash");
    const auto seed = key("deviceSeed");
    const auto account = parse_uuid<account_id>(from.text("account"));
    auto statements = read_statements(from);
    unconfirmed_pairing out;
    out.server_url = from.text("server");
    if (out.server_url.empty() || account_key.size() != 32 || content_key.size() != 32 || hash.size() != 32 ||
        seed.size() != 32 || !account || !statements)
        return fail(errc::corrupt, (store.directory() / unconfirmed_file).string() + " is damaged.");
    out.answer.account = to_array<32>(account_key);
    out.answer.content = to_array<32>(content_key);
    out.answer.id = *account;
    out.answer.n = static_cast<std::uint64_t>(from.number("n"));
    out.answer.hash = to_array<32>(hash);
    out.device_seed = key256::from(seed);
    out.statements = std::move(*statements);
    return std::optional(std::move(out));
}

result<void> save_unconfirmed_pairing(const keystore& store, const unconfirmed_pairing& value)
{
    return store.save_object(
        unconfirmed_file, {{"server", value.server_url},
                           {"accountKey", base64_encode(value.answer.account)},
                           {"contentKey", base64_encode(value.answer.content)},
                           {"account", to_string(value.answer.id)},
                           {"n", static_cast<std::int64_t>(value.answer.n)},
                           {"hash", base64_encode(value.answer.hash)},
                           {"deviceSeed", base64_encode(value.device_seed.view())},
                           {"statements", write_statements(value.statements)}});
}

result<void> forget_unconfirmed_pairing(const keystore& store)
{
    return store.forget_object(unconfirmed_file);
}

pairing_attempt::pairing_attempt(relay_client& relay, std::string_view name, const boot_clock& spans)
    : relay_(relay),
      spans_(spans),
      request_(e2ee::pairing_request_make(
          secret_, key_.public_key(), ed25519_key::from_seed(device_seed_),
          name.substr(0, limits::device_name_bytes_max), nonce_))
{
}

std::string pairing_attempt::link() const
{
    return e2ee::pairing_link_make({relay_.server_url(), request_.public_key, secret_});
}

asio::awaitable<result<void>> pairing_attempt::announce()
{
    const auto asked = co_await relay_.post(
        "/v1/auth/request",
        {{"publicKey", base64_encode(request_.public_key)},
         {"device",
          json::object{
              {"publicKey", base64_encode(request_.device)}, {"kind", "agent"}, {"sealedName", request_.sealed_name}}},
         {"commit", base64_encode(request_.commit)},
         {"signature", base64_encode(request_.signature)},
         {"mac", base64_encode(request_.mac)}},
        "success");
    if (!asked && !worth_retrying(asked.error()))
        co_return fail(asked.error().code, "The relay refuses: " + asked.error().detail);
    note_reached(asked);
    announced_ = asked.has_value();
    co_return result<void>();
}

asio::awaitable<result<void>> pairing_attempt::reveal()
{
    const auto taken = co_await relay_.post(
        "/v1/auth/reveal", {{"publicKey", base64_encode(request_.public_key)}, {"nonce", base64_encode(nonce_)}},
        "success");
    if (!taken && !worth_retrying(taken.error()))
        co_return fail(taken.error().code, "The relay refuses: " + taken.error().detail);
    note_reached(taken);
    revealed_ = taken.has_value();
    co_return result<void>();
}

asio::awaitable<result<pairing_attempt::state>> pairing_attempt::advance()
{
    if (answer_)
    {
        const auto now = spans_.now();
        if (now.boot != answered_at_.boot || now.at - answered_at_.at >= limits::pairing_lifetime)
            co_return fail(errc::expired, time_is_over);
    }
    if (!announced_)
    {
        if (const auto asked = co_await announce(); !asked)
            co_return std::unexpected(asked.error());
        if (!announced_)
            co_return state::waiting;
    }
    const auto here = answer_ ? state::answered : state::waiting;
    const auto status = co_await relay_.get(
        "/v1/auth/request/status?publicKey=" + net::percent_encode(base64_encode(request_.public_key)), "status");
    note_reached(status);
    if (!status && worth_retrying(status.error()))
        co_return here;
    if (!status)
        co_return fail(status.error().code, "The relay refuses: " + status.error().detail);
    const auto said = status->text("status");
    if (said == "refused")
        co_return fail(errc::cancelled, other_end_refused);
    if (said == "not_found")
    {
        if (answer_)
            co_return fail(errc::expired, relay_forgot);
        announced_ = false; // the same request again, under the same link
        co_return here;
    }
    if (said == "authorized")
        co_return confirm(*status);
    if (said != "answered" && said != "revealed")
        co_return here;
    // The first answer that opens is kept: whatever is shown later is not looked at.
    if (!answer_)
    {
        if (const auto accepted = accept(*status); !accepted)
            co_return std::unexpected(accepted.error());
    }
    if (!revealed_)
    {
        if (const auto shown = co_await reveal(); !shown)
            co_return std::unexpected(shown.error());
    }
    // Until it is revealed the dashboard has no code to show.
    co_return revealed_ ? state::answered : state::waiting;
}

result<void> pairing_attempt::accept(const unchecked& status)
{
    const auto response = base64_decode(status.text("response"));
    const auto plain =
        response ? e2ee::box_bundle_open(key_, *response) : result<bytes>(fail(errc::corrupt, stranger_answered));
    if (!plain)
        return fail(errc::corrupt, stranger_answered);
    const auto transcript = pairing_transcript(request_);
    const auto opened = e2ee::pairing_answer_open(secret_, transcript, *plain);
    if (!opened)
        return fail(errc::corrupt, stranger_answered);
    answer_ = *opened;
    answered_at_ = spans_.now();
    code_ = e2ee::pairing_code_of(secret_, transcript, *plain, nonce_);
    return {};
}

result<void> pairing_attempt::type(std::string_view digits)
{
    CONSORTIUM_ASSERT(code_);
    const auto expected = std::exchange(code_->asked_at_terminal, {});
    if (expected.empty() || !equal_constant_time(view(digits), view(expected)))
        return fail(errc::cancelled, wrong_digits);
    typed_ = true;
    return {};
}

std::string pairing_attempt::own_half() const
{
    CONSORTIUM_ASSERT(typed_);
    return code_->shown_at_terminal;
}

unconfirmed_pairing pairing_attempt::to_keep() const
{
    CONSORTIUM_ASSERT(typed_);
    return {relay_.server_url(), *answer_, device_seed_, statements_};
}

result<pairing_attempt::state> pairing_attempt::confirm(const unchecked& status)
{
    if (!typed_)
        return fail(errc::corrupt, "The relay says that it is confirmed before the digits were compared.");
    auto statements = read_statements(status);
    if (!statements)
        return fail(errc::corrupt, "The relay's answer has an unknown form.");
    const auto chain = e2ee::pairing_chain_check(*answer_, request_.device, *statements);
    if (!chain)
        return fail(errc::corrupt, "The relay's answer is refused: " + chain.error().detail + ". Nothing was stored.");
    statements_ = std::move(*statements);
    return state::confirmed;
}

asio::awaitable<void> pairing_attempt::refuse()
{
    const auto signature = sign_pairing_refusal(ed25519_key::from_seed(device_seed_), pairing_transcript(request_));
    (void)co_await relay_.post(
        "/v1/auth/refuse", {{"publicKey", base64_encode(request_.public_key)}, {"signature", base64_encode(signature)}},
        "success");
}

namespace
{

/// Signs in alone and reads the chain. Empty: the relay does not know this machine.
asio::awaitable<result<std::optional<std::string>>>
try_to_sign_in(relay_client& relay, const account_id& account, const ed25519_key& device)
{
    const auto token = co_await sign_in_alone(relay, account, device);
    if (token)
        co_return std::optional(*token);
    if (token.error().by_relay && (token.error() == errc::not_found || token.error() == errc::revoked))
        co_return std::optional<std::string>();
    co_return std::unexpected(token.error());
}

} // namespace

asio::awaitable<result<identity>>
finish_pairing(relay_client& relay, const keystore& store, unconfirmed_pairing kept, const clock_source& clock)
{
    const auto device = ed25519_key::from_seed(kept.device_seed);
    auto token = co_await try_to_sign_in(relay, kept.answer.id, device);
    if (!token)
        co_return std::unexpected(token.error());
    if (!*token && !kept.statements.empty())
    {
        // It was confirmed once, and the relay has lost that: a backup was restored.
        const auto posted = co_await relay.post(
            "/v1/devices/statements", {{"statements", write_statements(kept.statements)}}, "success");
        if (!posted && worth_retrying(posted.error()))
            co_return std::unexpected(posted.error());
        if (!posted)
            co_return fail(
                errc::conflict, "The relay's list of the account's devices is another than your dashboard saw. Open a "
                                "dashboard that knows this machine, or pair again.");
        token = co_await try_to_sign_in(relay, kept.answer.id, device);
        if (!token)
            co_return std::unexpected(token.error());
    }
    if (!*token)
        co_return fail(errc::not_found, "The pairing was not confirmed.");

    relay.set_token(**token);
    const auto answer = co_await relay.get("/v1/devices", "statements");
    relay.set_token("");
    if (!answer)
        co_return std::unexpected(answer.error());
    const auto list = read_statements(*answer);
    if (!list)
        co_return fail(errc::unavailable, "The relay's list of devices has an unknown form.");
    const auto chain = e2ee::pairing_chain_check(kept.answer, device.public_key(), *list);
    if (!chain)
        co_return fail(
            errc::conflict, "The relay's list of the account's devices is another than your dashboard saw (" +
                                chain.error().detail + "). Open a dashboard that knows this machine, or pair again.");
    identity who;
    who.server_url = kept.server_url;
    who.account_id = to_string(kept.answer.id);
    who.token = **token;
    who.account_key = kept.answer.account;
    who.content_key = kept.answer.content;
    who.since = clock.now();
    if (const auto stored = keep_identity(store, who, kept.device_seed, *chain); !stored)
        co_return std::unexpected(stored.error());
    if (const auto done = forget_unconfirmed_pairing(store); !done)
        co_return std::unexpected(done.error());
    co_return who;
}

} // namespace consortium::agent
