#include "relay_devices.hpp"
#include "consortium/common/base64.hpp"
#include "json_access.hpp"
#include <boost/json.hpp>

namespace consortium::agent
{

std::optional<device_directory::known> relay_devices::find(const ed25519_public& device) const
{
    const auto kind = known_.kind_of(device);
    if (!kind)
        return std::nullopt;
    return known{*kind, known_.standing_of(device) == device_standing::revoked, {}};
}

asio::awaitable<result<void>> relay_devices::read_chain()
{
    const auto answer = co_await relay_.get("/v1/devices", "statements");
    if (!answer)
        co_return std::unexpected(answer.error());
    const auto* list = array_at(answer->for_parser(), "statements");
    if (list == nullptr)
        co_return fail(errc::corrupt, "The relay's list of devices has an unknown form.");
    device_chain chain(known_.account(), account_key_);
    for (const auto& each : *list)
    {
        const auto raw = each.is_string() ? base64_decode(std::string_view(each.get_string()))
                                          : result<bytes>(fail(errc::corrupt, "a statement is not text"));
        if (!raw)
            co_return std::unexpected(raw.error());
        if (!chain.append(*raw))
            break; // the first invalid statement ends the chain
    }
    const auto learned = known_.learn(chain);
    if (!learned)
        co_return std::unexpected(learned.error());
    co_return result<void>();
}

} // namespace consortium::agent
