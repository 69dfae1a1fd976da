#include "consortium/net/frame.hpp"
#include "websocket_frames.hpp"

namespace consortium::net
{

message_frame::message_frame(std::string_view payload, websocket_message::kind what) : what_(what)
{
    bytes_.reserve(frame_header_bytes_max + payload.size());
    append_frame_header(
        bytes_, what == websocket_message::kind::binary ? opcode::binary : opcode::text, payload.size(), {});
    header_size_ = bytes_.size();
    bytes_ += payload;
}

} // namespace consortium::net
