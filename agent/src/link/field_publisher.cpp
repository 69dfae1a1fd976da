#include "link/field_publisher.hpp"
#include "consortium/common/limits.hpp"

namespace consortium::agent
{
namespace json = boost::json;

void field_publisher::seen(std::int64_t version, const std::string& sealed)
{
    if (version <= options_.version)
        return;
    options_.version = version;
    if (options_.merge)
        options_.merge(sealed);
}

void field_publisher::start_over()
{
    options_.version = 0;
    changed();
}

void field_publisher::stop()
{
    stopped_ = true;
    changed_.notify();
    settled_.notify();
}

/// Trying again would change nothing.
bool field_publisher::give_up(const relay_failure& reason)
{
    if (options_.refused)
        options_.refused(reason);
    return true;
}

/// True when the relay has the value, or never will; false to try again later.
asio::awaitable<bool> field_publisher::attempt()
{
    dirty_ = false;
    const auto sealed = options_.seal(options_.version);
    if (!sealed && sealed.error() == errc::io)
    {
        dirty_ = true; // a full disk may have room again
        co_return false;
    }
    if (!sealed)
        co_return give_up(relay_failure{sealed.error()});
    json::object value{{"sid", options_.session_id}, {"expectedVersion", options_.version}};
    value[options_.field] = *sealed;
    const auto answer = co_await ask_(options_.event, std::move(value));
    if (!answer && !worth_retrying(answer.error()))
        co_return give_up(answer.error());
    if (!answer)
    {
        dirty_ = true;
        co_return false;
    }
    const auto version = answer->number("version");
    if (answer->text("result") == "success")
    {
        options_.version = std::max(options_.version, version);
        if (options_.taken)
            options_.taken();
        co_return true;
    }
    // version-mismatch: it carries what is there now. One that is not newer says nothing; no hurry then.
    dirty_ = true;
    const bool news = version > options_.version;
    seen(version, answer->text(options_.field, limits::state_bytes_max));
    co_return news;
}

asio::awaitable<void> field_publisher::run(std::shared_ptr<field_publisher> self)
{
    backoff pause;
    while (!self->stopped_)
    {
        if (!self->dirty_)
        {
            self->settled_.notify();
            co_await self->changed_.wait();
            continue;
        }
        self->under_way_ = true;
        const bool taken = co_await self->attempt();
        self->under_way_ = false;
        if (taken)
            pause.reset();
        else if (!self->stopped_)
            co_await self->changed_.wait(pause.next());
    }
    self->settled_.notify();
}

asio::awaitable<bool> field_publisher::settled(std::chrono::milliseconds limit)
{
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while ((dirty_ || under_way_) && !stopped_)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline)
            break;
        co_await settled_.wait(deadline - now);
    }
    co_return !dirty_ && !under_way_;
}

} // namespace consortium::agent
