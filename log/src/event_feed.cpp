#include "event_feed.hpp"
#include <algorithm>

namespace consortium::log
{
namespace
{

class feed final : public event_feed
{
public:
    feed(recent_events& recent, std::function<std::unique_ptr<snapshot>()> read, lsn after)
        : recent_(recent), read_(std::move(read)), position_(after)
    {
    }

    result<std::vector<std::shared_ptr<const event>>>
    take(std::size_t count_max, std::size_t bytes_max, std::chrono::milliseconds patience) override
    {
        using state = recent_events::reader::state;
        CONSORTIUM_ASSERT(count_max > 0 && bytes_max > 0);
        std::vector<std::shared_ptr<const event>> out;
        switch (recent_.take(position_, count_max, bytes_max, patience, out))
        {
        case state::taken:
            break;
        case state::closed:
            return fail(errc::closed, "the log was closed");
        case state::behind:
        {
            auto events = read_()->read(position_.next(), std::min(count_max, limits::taken_events_max), bytes_max);
            if (!events)
                return std::unexpected(std::move(events).error());
            out.reserve(events->size());
            for (auto& happened : *events)
                out.push_back(std::make_shared<const event>(std::move(happened)));
            break;
        }
        }
        if (!out.empty())
            position_ = out.back()->number;
        return out;
    }
    void wake() override { recent_.wake(); }
    lsn position() const override { return position_; }

private:
    recent_events::reader recent_;
    std::function<std::unique_ptr<snapshot>()> read_;
    lsn position_;
};

} // namespace

result<std::unique_ptr<event_feed>>
make_feed(recent_events& recent, std::function<std::unique_ptr<snapshot>()> read, lsn after)
{
    if (const auto head = read()->head(); after > head)
        return fail(
            errc::not_found,
            "the log ends at lsn " + std::to_string(head.value) + ", before lsn " + std::to_string(after.value));
    return std::make_unique<feed>(recent, std::move(read), after);
}

} // namespace consortium::log
