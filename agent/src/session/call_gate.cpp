#include "session/call_gate.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include <array>
#include <boost/json.hpp>
#include <utility>

namespace consortium::agent
{
namespace
{

constexpr std::array words{
    std::pair(call_method::begin, std::string_view("begin")),
    std::pair(call_method::devices, std::string_view("devices")),
    std::pair(call_method::permission, std::string_view("permission")),
    std::pair(call_method::abort, std::string_view("abort")),
    std::pair(call_method::stop_task, std::string_view("stop-task")),
    std::pair(call_method::set_mode, std::string_view("set-mode")),
    std::pair(call_method::set_model, std::string_view("set-model")),
    std::pair(call_method::held, std::string_view("held")),
    std::pair(call_method::take_back, std::string_view("take-back")),
    std::pair(call_method::kill_session, std::string_view("killSession")),
};

std::string request_kind(call_method method)
{
    return "rpc-request:" + std::string(word(method));
}

} // namespace

std::string_view word(call_method method) noexcept
{
    for (const auto& [each, text] : words)
    {
        if (each == method)
            return text;
    }
    return {};
}

std::optional<call_method> call_method_of(std::string_view text) noexcept
{
    for (const auto& [each, known] : words)
    {
        if (known == text)
            return each;
    }
    return std::nullopt;
}

std::vector<std::string> call_method_words()
{
    std::vector<std::string> out;
    for (const auto& [each, text] : words)
        out.emplace_back(text);
    return out;
}

call_gate::call_gate(const key256& key, account_id account, std::string session, const boot_clock& clock)
    : key_(key), account_(account), session_(std::move(session)), clock_(clock), challenges_(clock)
{
}

result<e2ee::opened_bundle> call_gate::open_bundle(call_method method, const std::string& params) const
{
    if (params.size() > limits::call_bytes_max)
        return fail(errc::too_large, "a call is too large");
    const auto data = base64_decode(params);
    if (!data)
        return fail(errc::corrupt, "a call is not base64");
    return e2ee::bundle_open(key_, {to_string(account_), session_, request_kind(method)}, *data);
}

result<begin_call> call_gate::open_begin(const std::string& params) const
{
    const auto opened = open_bundle(call_method::begin, params);
    if (!opened)
        return std::unexpected(opened.error());
    const auto object = protocol::read_foreign_object(text(opened->plain));
    if (!object)
        return fail(errc::corrupt, "`begin` is of unknown form");
    return begin_call{opened->id, text_at(*object, "devices")};
}

result<accepted_call> call_gate::open(call_method method, const std::string& params)
{
    const auto opened = open_bundle(method, params);
    if (!opened)
        return std::unexpected(opened.error());
    accepted_call out;
    out.method = method;
    out.id = opened->id;
    auto said = result<e2ee::call_words>(fail(errc::corrupt, ""));
    if (method == call_method::devices)
        said = e2ee::call_parse(text(opened->plain));
    else
    {
        auto act = e2ee::act_parse(opened->plain);
        if (!act)
            return std::unexpected(act.error());
        if (act->text.size() > limits::act_bytes_max)
            return fail(errc::too_large, "a call is too large");
        if (!e2ee::verify_act({account_, session_, request_kind(method), opened->id}, *act))
            return fail(errc::corrupt, "the signature of a call is wrong");
        said = e2ee::call_parse(act->text);
        out.act = std::move(*act);
    }
    if (!said)
        return std::unexpected(said.error());
    const auto until = challenges_.strike_off(said->challenge);
    if (!until)
        return fail(errc::expired, "the challenge of a call is unknown, used or too old");
    out.until = *until;
    out.d = std::move(said->d);
    return out;
}

result<std::string>
call_gate::seal(call_method method, const e2ee::bundle_id& id, const boost::json::value& answer) const
{
    const auto sealed = e2ee::bundle_seal(
        key_, {to_string(account_), session_, "rpc-response:" + std::string(word(method))}, id,
        view(boost::json::serialize(answer)));
    if (!sealed)
        return std::unexpected(sealed.error());
    return base64_encode(*sealed);
}

bool only_stops(const accepted_call& call)
{
    if (call.method == call_method::abort || call.method == call_method::stop_task)
        return true;
    const auto* d = call.d.if_object();
    if (call.method != call_method::permission || d == nullptr)
        return false;
    const auto decision = text_at(*d, "decision");
    return decision == "denied" || decision == "abort";
}

bool may_act(const accepted_call& call, const std::optional<device_directory::known>& device)
{
    return only_stops(call) || (device && device->kind == device_kind::browser && !device->revoked);
}

} // namespace consortium::agent
