#pragma once
#include "consortium/log/event.hpp"
#include <flatbuffers/flatbuffers.h>

/// Bodies of events as FlatBuffers of event.fbs, and back.
namespace consortium::log
{

/// An upper estimate of the encoded size, without encoding.
std::size_t body_size_estimate(const event_body& body) noexcept;

/// Reuses its memory from one body to the next. Not thread-safe.
class body_encoder
{
public:
    /// Valid until the next call. Empty for no_body: such an event has no body bytes at all.
    byte_view encode(const event_body& body);

private:
    flatbuffers::FlatBufferBuilder builder_;
};

/// Checks every offset and length before it is used. errc::newer_version for an unknown kind of body, errc::corrupt
/// for anything that encode() does not write.
result<event_body> decode_body(event_type type, byte_view encoded);

/// Whether decode_body() would accept it, without making the texts it holds.
result<void> check_body(event_type type, byte_view encoded);

} // namespace consortium::log
