#pragma once
#include "consortium/e2ee/act.hpp"
#include "identity/device_directory.hpp"
#include "session/challenge_book.hpp"
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

namespace consortium::agent
{

/// What a person can make the agent do, beside prompts (docs/protocol.md 5.2).
enum class call_method
{
    begin,
    devices,
    permission,
    abort,
    stop_task,
    set_mode,
    set_model,
    held,
    take_back,
    kill_session,
};
std::string_view word(call_method method) noexcept;
std::optional<call_method> call_method_of(std::string_view word) noexcept;
/// All of them, as they are registered at the relay.
std::vector<std::string> call_method_words();

/// A call that used its challenge up: it is answered under seal, whatever becomes of it.
struct accepted_call
{
    call_method method = call_method::begin;
    e2ee::bundle_id id{};
    boost::json::value d;
    std::optional<e2ee::signed_act> act; ///< none with `devices`: what it brings proves itself
    std::chrono::milliseconds until{0};  ///< of the boot clock: after that it must not be carried out
};

struct begin_call
{
    e2ee::bundle_id id{};
    std::string devices; ///< digest of those that the caller knows
};

/// Lets calls in: authentic, for this session and method, signed, under a challenge of this process. Whether the device
/// that signed may act is judged apart, by may_act().
class call_gate
{
public:
    call_gate(const key256& key, account_id account, std::string session, const boot_clock& clock);

    result<begin_call> open_begin(const std::string& params) const;
    std::string new_challenge() { return challenges_.issue(); }
    /// Any error: nothing happened, and nobody is told why; anybody could have brought it about.
    result<accepted_call> open(call_method method, const std::string& params);
    bool in_time(const accepted_call& call) const { return clock_.now().at <= call.until; }

    /// The answer to what carried `id`, base64.
    result<std::string> seal(call_method method, const e2ee::bundle_id& id, const boost::json::value& answer) const;

private:
    result<e2ee::opened_bundle> open_bundle(call_method method, const std::string& params) const;

    key256 key_;
    account_id account_;
    std::string session_;
    const boot_clock& clock_;
    challenge_book challenges_;
};

/// Whether it does no more than stop something: whoever has the session's key may.
bool only_stops(const accepted_call& call);
/// Whether that device may bring the call about: a good browser, or anybody where it only stops.
bool may_act(const accepted_call& call, const std::optional<device_directory::known>& device);

} // namespace consortium::agent
