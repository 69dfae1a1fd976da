#include "consortium/net/frame.hpp"
#include "websocket_frames.hpp"

namespace consortium::net
{

text_frame::text_frame(std::string_view payload)
{
    bytes_.reserve(frame_header_bytes_max + payload.size());
    append_frame_header(bytes_, opcode::text, payload.size(), {});
    header_size_ = bytes_.size();
    bytes_ += payload;
}

} // namespace consortium::net
