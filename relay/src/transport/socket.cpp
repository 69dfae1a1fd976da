#include "transport/socket.hpp"
#include "consortium/protocol/socket_io.hpp"
#include <utility>

namespace consortium::relay
{

net::shared_frame encode_event(std::string_view name, const boost::json::value& arg)
{
    return net::encode_text_frame(protocol::socket_io::message_event(name, arg));
}

boost::json::object error_ack(const error& reason)
{
    boost::json::object out{{"result", "error"}, {"message", reason.detail}, {"code", word(reason.code)}};
    if (reason.retry)
        out["retry"] = reason.retry->count();
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
        (*this)(error{errc::internal, "Internal error", {}});
}

void ack::operator()(const boost::json::value& value)
{
    if (!std::exchange(wanted_, false))
        return;
    if (const auto to = to_.lock())
        to->answer(id_, {value});
}

void ack::operator()(const error& reason)
{
    (*this)(boost::json::value(error_ack(reason)));
}

} // namespace consortium::relay
