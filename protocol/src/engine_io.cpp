#include "consortium/protocol/engine_io.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/bytes.hpp"
#include "consortium/protocol/json_text.hpp"
#include <boost/json.hpp>

namespace consortium::protocol::engine_io
{
namespace
{
constexpr char separator = '\x1e';

result<std::uint64_t> number(const boost::json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0 || value->get_int64() > (1ll << 53))
        return fail(errc::bad_request, "the handshake's " + std::string(name) + " is not a whole number");
    return static_cast<std::uint64_t>(value->get_int64());
}
} // namespace

result<packet> parse(std::string_view text)
{
    if (text.empty())
        return fail(errc::bad_request, "an empty packet");
    if ((text.front() < '0' || text.front() > '6') && text.front() != 'b')
        return fail(errc::bad_request, "unknown packet type");
    return packet{static_cast<packet_type>(text.front()), text.substr(1)};
}

std::string write(const packet& value)
{
    std::string out;
    out.reserve(1 + value.data.size());
    out += static_cast<char>(value.type);
    out += value.data;
    return out;
}

std::string write_binary(std::string_view bytes)
{
    return "b" + base64_encode(view(bytes));
}

result<std::string> read_binary(const packet& value)
{
    const auto bytes = base64_decode(value.data);
    if (!bytes)
        return fail(errc::bad_request, "a binary packet that is no base64");
    return std::string(text(*bytes));
}

std::optional<result<packet>> payload_reader::next()
{
    if (done_)
        return {};
    const auto end = rest_.find(separator);
    auto found = parse(rest_.substr(0, end));
    done_ = !found || end == std::string_view::npos;
    if (!done_)
        rest_.remove_prefix(end + 1);
    return found;
}

void append_to_payload(std::string& body, std::string_view packet_text)
{
    if (!body.empty())
        body += separator;
    body += packet_text;
}

std::string write_handshake(const handshake& value)
{
    boost::json::array upgrades;
    for (const auto& name : value.upgrades)
        upgrades.emplace_back(name);
    return boost::json::serialize(boost::json::object{
        {"sid", value.sid},
        {"upgrades", std::move(upgrades)},
        {"pingInterval", value.ping_interval.count()},
        {"pingTimeout", value.ping_timeout.count()},
        {"maxPayload", value.max_payload}});
}

result<handshake> parse_handshake(std::string_view data)
{
    const auto json = parse_json(data);
    if (!json || !json->is_object())
        return fail(errc::bad_request, "the handshake is not a JSON object");
    const auto& object = json->get_object();
    handshake out;
    const auto* sid = object.if_contains("sid");
    if (sid == nullptr || !sid->is_string() || sid->get_string().empty())
        return fail(errc::bad_request, "the handshake has no sid");
    out.sid = std::string_view(sid->get_string());
    if (const auto* upgrades = object.if_contains("upgrades"); upgrades != nullptr && upgrades->is_array())
    {
        for (const auto& name : upgrades->get_array())
        {
            if (!name.is_string())
                return fail(errc::bad_request, "the handshake's upgrades are not strings");
            out.upgrades.emplace_back(std::string_view(name.get_string()));
        }
    }
    const auto interval = number(object, "pingInterval");
    if (!interval)
        return std::unexpected(interval.error());
    const auto timeout = number(object, "pingTimeout");
    if (!timeout)
        return std::unexpected(timeout.error());
    out.ping_interval = std::chrono::milliseconds(*interval);
    out.ping_timeout = std::chrono::milliseconds(*timeout);
    // Older servers do not say it.
    if (object.contains("maxPayload"))
    {
        const auto bytes = number(object, "maxPayload");
        if (!bytes)
            return std::unexpected(bytes.error());
        out.max_payload = *bytes;
    }
    return out;
}

} // namespace consortium::protocol::engine_io
