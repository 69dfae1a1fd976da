#include "transport/socket.hpp"
#include "consortium/protocol/socket_io.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include <spdlog/spdlog.h>
#include <utility>

namespace consortium::relay
{

net::shared_frame encode_event(std::string_view name, const boost::json::value& arg)
{
    return net::encode_text_frame(protocol::socket_io::message_event(name, arg));
}

boost::json::object error_ack(const error& reason)
{
    const auto said = protocol::v1::for_client(reason);
    if (said == errc::internal)
        spdlog::error("an event failed: {}", reason.detail);
    boost::json::object out{{"result", "error"}, {"message", said.detail}, {"code", word(said.code)}};
    if (said.retry)
        out["retry"] = said.retry->count();
    else
        out["retry"] = false;
    return out;
}

ack::ack(ack&& other) noexcept : to_(std::move(other.to_)), id_(other.id_), wanted_(std::exchange(other.wanted_, false))
{
}

ack& ack::operator=(ack&& other) noexcept
{
    std::swap(to_, other.to_);
    std::swap(id_, other.id_);
    std::swap(wanted_, other.wanted_);
    return *this;
}

ack::~ack()
{
    if (wanted_)
        (*this)(error{errc::internal, "nothing answered it", {}});
}

void ack::operator()(const boost::json::value& value)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(id_, {.values = {value}});
}

void ack::operator()(arguments with)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(id_, std::move(with));
}

void ack::operator()(const error& reason)
{
    (*this)(boost::json::value(error_ack(reason)));
}

net::shared_frame ack::encode(std::string_view json) const
{
    return net::encode_text_frame(protocol::socket_io::message_ack_of(id_, json));
}

void ack::operator()(net::shared_frame encoded)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(std::move(encoded));
}

} // namespace consortium::relay
