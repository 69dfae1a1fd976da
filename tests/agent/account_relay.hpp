#pragma once
#include "agent/loopback.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/device_chain.hpp"
#include "consortium/common/pairing_request.hpp"
#include "consortium/e2ee/box.hpp"
#include "consortium/e2ee/keys.hpp"
#include "identity/statement_list.hpp"
#include "link/relay_client.hpp"
#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace consortium::agent::testing
{
namespace json = boost::json;

/// An account, as its owner sees it: what a browser would sign.
struct account_owner
{
    key256 secret = key256::random();
    e2ee::account_keys keys = e2ee::make_account_keys(secret);
    account_id id{make_uuid_v4()};

    device_chain chain() const { return {id, keys.login.public_key()}; }
    bytes
    say(const device_chain& after, statement_action action, const ed25519_public& device,
        device_kind kind = device_kind::browser, const std::string& name = "a device") const
    {
        device_statement said;
        said.account = id;
        said.n = after.head().n + 1;
        said.previous = after.head().hash;
        said.action = action;
        said.device = device;
        said.kind = kind;
        said.time = 1'700'000'000'000;
        if (action == statement_action::add)
            said.sealed_name = box_bundle_seal(keys.content.public_key(), view(name)).value();
        return sign_statement(keys.login, said);
    }
    /// Appends what it says.
    void add(device_chain& to, const ed25519_public& device, device_kind kind = device_kind::browser) const
    {
        EXPECT_TRUE(to.append(byte_view(say(to, statement_action::add, device, kind))));
    }
    void revoke(device_chain& to, const ed25519_public& device, device_kind kind = device_kind::browser) const
    {
        EXPECT_TRUE(to.append(byte_view(say(to, statement_action::revoke, device, kind))));
    }
};

inline ed25519_public some_device()
{
    return ed25519_key::random().public_key();
}

/// A relay's routes of sign-in, devices and pairing, with one account at most. Honest, unless a test has it lie.
class account_relay final : public http_only
{
public:
    struct answer
    {
        unsigned status = 200;
        json::object body;
    };
    struct pairing
    {
        json::object request;
        std::string status = "pending";
        std::string response;
        std::string nonce;
        bool refused_well = false; ///< with the device's signature
    };

    std::string url() const { return server_.url(); }

    /// Runs `work` while no request is being served.
    template <class Work>
    auto with(Work&& work)
    {
        const std::lock_guard lock(guard);
        return work();
    }

    // Touched under with() while requests may come.
    std::optional<device_chain> chain; ///< of the account; empty: there is none
    account_id next_account{make_uuid_v4()};
    std::map<std::string, pairing> pairings; ///< by publicKey
    std::map<std::string, int> asked;        ///< requests by path
    std::function<std::optional<answer>(const std::string& path, const json::object& body)> lie;

    static answer refusal(const char* code, unsigned status, json::object more = {})
    {
        more["error"] = "refused by the test";
        more["code"] = code;
        more["retry"] = false;
        return {status, std::move(more)};
    }
    static std::string token_for(const account_id& account)
    {
        const auto claims = json::serialize(json::object{{"sub", to_string(account)}, {"jti", "device"}});
        return "e30." + base64url_encode(view(claims)) + ".c2ln";
    }

    asio::awaitable<net::http_response> handle(net::http_request request, net::connection_info) override
    {
        const std::lock_guard lock(guard);
        ++asked[std::string(request.path)];
        json::object body;
        if (!request.body.empty())
            body = json::parse(request.body).as_object();
        if (const auto key = request.query_value("publicKey"))
            body["publicKey"] = *key;
        auto said = lie ? lie(std::string(request.path), body) : std::nullopt;
        if (!said)
            said = serve(std::string(request.path), body);
        co_return net::http_response::json(said->status, json::serialize(said->body));
    }

    /// As the honest relay answers.
    answer serve(const std::string& path, const json::object& body)
    {
        if (path == "/v1/auth/challenge")
            return {200, {{"challenge", challenge_for(text(body, "publicKey"))}, {"expiresAt", 1}}};
        if (path == "/v1/auth")
            return body.contains("accountId") ? sign_in_alone(body) : sign_in(body);
        if (path == "/v1/auth/logout")
            return success();
        if (path == "/v1/devices")
            return {
                200,
                {{"devices", json::array()},
                 {"statements", write_statements(chain ? chain->statements() : std::vector<bytes>())}}};
        if (path == "/v1/devices/statements")
            return take_statements(body);
        if (path.starts_with("/v1/auth/re"))
            return pair(path, body);
        return refusal("not-found", 404);
    }

    std::mutex guard;

private:
    static answer success() { return {200, {{"success", true}}}; }
    static std::string text(const json::object& from, const char* name)
    {
        const auto* value = from.if_contains(name);
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    }
    static ed25519_public key_at(const json::object& from, const char* name)
    {
        return to_array<32>(base64_decode(text(from, name)).value());
    }
    std::string challenge_for(const std::string& key) const
    {
        return base64_encode(view(
            "consortium-login-1\n" + url() + "\n" + key + "\n1700000000000\n" + base64_encode(random_array<32>())));
    }
    answer signed_in(const account_id& account) const
    {
        return {
            200,
            {{"success", true},
             {"token", token_for(account)},
             {"accountId", to_string(account)},
             {"deviceId", to_string(device_id{make_uuid_v4()})}}};
    }

    answer sign_in_alone(const json::object& body)
    {
        const auto device = key_at(body.at("device").as_object(), "publicKey");
        auto message = base64_decode(text(body, "challenge")).value();
        append(message, device);
        const auto known = chain ? chain->find(device) : std::nullopt;
        if (!known || text(body, "accountId") != to_string(chain->account()))
            return refusal("not-found", 404);
        if (known->revoked)
            return refusal("revoked", 403);
        if (!ed25519_verify(device, message, base64_decode(text(body, "deviceSignature")).value()))
            return refusal("unauthorized", 401);
        return signed_in(chain->account());
    }

    answer sign_in(const json::object& body)
    {
        const auto account_key = key_at(body, "publicKey");
        const auto device = key_at(body.at("device").as_object(), "publicKey");
        auto message = base64_decode(text(body, "challenge")).value();
        append(message, device);
        if (!ed25519_verify(account_key, message, base64_decode(text(body, "signature")).value()) ||
            !ed25519_verify(device, message, base64_decode(text(body, "deviceSignature")).value()))
            return refusal("unauthorized", 401);
        const bool exists = chain && chain->account_key() == account_key;
        if (!exists && !body.contains("create"))
            return refusal("not-found", 404);
        auto grown = exists ? *chain : device_chain(next_account, account_key);
        const auto known = grown.find(device);
        if (known)
            return known->revoked ? refusal("revoked", 403) : signed_in(grown.account());
        if (body.contains("statement") && grown.append(byte_view(base64_decode(text(body, "statement")).value())))
        {
            chain = grown;
            return signed_in(grown.account());
        }
        return refusal(
            "conflict", 409,
            {{"accountId", to_string(grown.account())},
             {"statements", write_statements(grown.statements())},
             {"challenge", challenge_for(text(body, "publicKey"))},
             {"expiresAt", 1}});
    }

    answer take_statements(const json::object& body)
    {
        if (!chain)
            return refusal("not-found", 404);
        const auto given = read_statements(unchecked(body)).value();
        for (const auto& each : given)
        {
            const auto& there = chain->statements();
            if (std::ranges::find(there, each) == there.end() && !chain->append(byte_view(each)))
                return refusal("conflict", 409, {{"statements", write_statements(chain->statements())}});
        }
        return success();
    }

    answer pair(const std::string& path, const json::object& body)
    {
        const auto key = text(body, "publicKey");
        const auto found = pairings.find(key);
        if (path == "/v1/auth/request")
        {
            if (found != pairings.end() && found->second.request != body)
                return refusal("conflict", 409);
            pairings[key].request = body;
            return success();
        }
        if (path == "/v1/auth/request/status")
        {
            if (found == pairings.end())
                return {200, {{"status", "not_found"}}};
            json::object out{{"status", found->second.status}, {"response", found->second.response}};
            if (found->second.status == "authorized")
                out["statements"] = write_statements(chain->statements());
            return {200, out};
        }
        if (found == pairings.end())
            return refusal("not-found", 404);
        if (path == "/v1/auth/reveal")
        {
            const auto request = request_of(found->second);
            const auto nonce = to_array<32>(base64_decode(text(body, "nonce")).value());
            if (pairing_commit(request.public_key, request.device, nonce) != request.commit)
                return refusal("bad-request", 400);
            found->second.nonce = text(body, "nonce");
            found->second.status = "revealed";
            return success();
        }
        if (path == "/v1/auth/refuse")
        {
            const auto request = request_of(found->second);
            const auto signature = base64_decode(text(body, "signature"));
            found->second.refused_well =
                signature && signature->size() == 64 &&
                is_pairing_refusal(request.device, pairing_transcript(request), to_array<64>(*signature));
            found->second.status = "refused";
            return success();
        }
        return refusal("not-found", 404);
    }

public:
    /// What an agent asked with.
    static pairing_request request_of(const pairing& of)
    {
        const auto& device = of.request.at("device").as_object();
        pairing_request out;
        out.public_key = key_at(of.request, "publicKey");
        out.device = key_at(device, "publicKey");
        out.kind = text(device, "kind") == "agent" ? device_kind::agent : device_kind::browser;
        out.sealed_name = text(device, "sealedName");
        out.commit = key_at(of.request, "commit");
        out.signature = to_array<64>(base64_decode(text(of.request, "signature")).value());
        out.mac = key_at(of.request, "mac");
        return out;
    }

private:
    loopback server_{*this};
};

} // namespace consortium::agent::testing
