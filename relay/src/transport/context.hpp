#pragma once
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "transport/engine_register.hpp"
#include "transport/socket_server.hpp"
#include <atomic>
#include <string>
#include <unordered_set>
#include <vector>

namespace consortium::relay
{

class joined_socket;

/// What all connections of a socket_server share.
struct transport_context
{
    transport_context(net::http_server& on, socket_handler& by, socket_server_options chosen)
        : server(on),
          rules(by),
          options(std::move(chosen)),
          connections_by_thread(on.thread_count()),
          sockets_by_thread(on.thread_count())
    {
    }

    net::http_server& server;
    socket_handler& rules;
    const socket_server_options options;
    engine_register by_sid;
    /// What is open on each network thread; touched on that thread alone.
    std::vector<std::unordered_set<engine_connection*>> connections_by_thread;
    std::vector<std::unordered_set<joined_socket*>> sockets_by_thread;
    std::atomic<std::size_t> connection_count = 0;
    std::atomic<std::size_t> socket_count = 0;
};

/// 20 characters that cannot be guessed.
inline std::string make_sid()
{
    return base64url_encode(random_array<15>());
}

} // namespace consortium::relay
