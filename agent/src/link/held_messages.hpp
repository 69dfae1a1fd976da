#pragma once
#include "consortium/common/limits.hpp"
#include "link/from_relay.hpp"
#include <deque>
#include <string>
#include <utility>

namespace consortium::agent
{

/// A message of the session as the relay has it: not opened, not believed.
struct stored_message
{
    std::string content; ///< the bundle
    std::int64_t seq = 0;

    static stored_message of(const unchecked& message)
    {
        const auto content = message.object("content");
        return {content ? content->text("c", limits::message_bytes_max) : "", message.number("seq")};
    }
};

/// Messages that come live while the stored ones are being read. When they are more than is held, none is: they stand
/// in what is stored, which must then be read further.
class held_messages
{
public:
    void add(stored_message message)
    {
        if (overflown_)
            return;
        bytes_ += message.content.size() + each_bytes;
        messages_.push_back(std::move(message));
        if (bytes_ <= limits::held_bytes_max)
            return;
        (void)take();
        overflown_ = true;
    }
    /// In the order they came.
    std::deque<stored_message> take()
    {
        bytes_ = 0;
        return std::exchange(messages_, {});
    }
    bool overflown() const noexcept { return overflown_; }
    /// What is stored is read from here on.
    void read_again() noexcept { overflown_ = false; }
    std::size_t bytes() const noexcept { return bytes_; }

private:
    static constexpr std::size_t each_bytes = 128;

    std::deque<stored_message> messages_;
    std::size_t bytes_ = 0;
    bool overflown_ = false;
};

} // namespace consortium::agent
