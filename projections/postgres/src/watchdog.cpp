#include "watchdog.hpp"
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace consortium::postgres
{

watchdog::watchdog() : stop_descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (stop_descriptor_ < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "mirror-watch");
}

watchdog::~watchdog()
{
    {
        const std::lock_guard lock(guard_);
        ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    ::close(stop_descriptor_);
}

void watchdog::run()
{
    std::unique_lock lock(guard_);
    while (!ended_)
    {
        if (!socket_ || expired_)
            changed_.wait(lock);
        else if (std::chrono::steady_clock::now() < deadline_)
            changed_.wait_until(lock, deadline_);
        else
        {
            expired_ = true;
            ::shutdown(*socket_, SHUT_RDWR);
        }
    }
}

void watchdog::stop()
{
    const std::lock_guard lock(guard_);
    stopped_ = true;
    ::eventfd_write(stop_descriptor_, 1);
    if (socket_)
        ::shutdown(*socket_, SHUT_RDWR);
}

watchdog::watch::watch(watchdog& by, int socket, std::chrono::milliseconds limit) : by_(by)
{
    {
        const std::lock_guard lock(by_.guard_);
        // Of its own: who uses the socket may close it meanwhile, and its number be somebody else's.
        by_.socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
        by_.expired_ = false;
        by_.deadline_ = std::chrono::steady_clock::now() + limit;
        if (by_.stopped_)
            ::shutdown(*by_.socket_, SHUT_RDWR);
    }
    by_.changed_.notify_all();
}

watchdog::watch::~watch()
{
    const std::lock_guard lock(by_.guard_);
    ::close(*by_.socket_);
    by_.socket_.reset();
}

} // namespace consortium::postgres
