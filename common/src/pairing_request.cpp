#include "consortium/common/pairing_request.hpp"
#include "consortium/common/limits.hpp"

namespace consortium
{
namespace
{

// docs/protocol.md 2.2.
constexpr std::string_view commit_label = "consortium pairing commit 2\n";
constexpr std::string_view request_label = "consortium pairing request 2\n";
constexpr std::string_view refusal_label = "consortium pairing refusal 2\n";

bytes refusal_text(const digest256& transcript)
{
    auto out = to_bytes(view(refusal_label));
    append(out, transcript);
    return out;
}

} // namespace

digest256 pairing_commit(const x25519_public& public_key, const ed25519_public& device, const pairing_nonce& nonce)
{
    return sha256({view(commit_label), public_key, device, nonce});
}

bytes pairing_request_text(const pairing_request& request)
{
    auto out = to_bytes(view(request_label));
    append(out, request.public_key);
    append(out, request.device);
    out.push_back(static_cast<std::uint8_t>(request.kind));
    append(out, request.commit);
    append(out, big_endian(static_cast<std::uint16_t>(request.sealed_name.size())));
    append(out, request.sealed_name);
    return out;
}

result<void> check_pairing_request(const pairing_request& request)
{
    if (request.kind != device_kind::agent)
        return fail(errc::bad_request, "only agents are paired");
    if (request.sealed_name.size() > limits::sealed_name_bytes_max)
        return fail(errc::bad_request, "the name of a pairing request is too long");
    if (!ed25519_verify(request.device, pairing_request_text(request), request.signature))
        return fail(errc::bad_request, "the pairing request is not signed by the device that it names");
    return {};
}

digest256 pairing_transcript(const pairing_request& request)
{
    return sha256({pairing_request_text(request), request.signature, request.mac});
}

ed25519_signature sign_pairing_refusal(const ed25519_key& device, const digest256& transcript)
{
    return device.sign(refusal_text(transcript));
}

bool is_pairing_refusal(
    const ed25519_public& device, const digest256& transcript, const ed25519_signature& signature) noexcept
{
    return ed25519_verify(device, refusal_text(transcript), signature);
}

} // namespace consortium
