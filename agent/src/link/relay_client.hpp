#pragma once
#include "consortium/net/http_client.hpp"
#include "link/from_relay.hpp"
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

namespace consortium::agent
{
namespace asio = boost::asio;

/// The relay's HTTP side. Everything on one executor.
class relay_client
{
public:
    /// `server_url` without a trailing slash. errc::bad_request, errc::io.
    static result<std::unique_ptr<relay_client>>
    make(asio::any_io_executor executor, std::string server_url, net::client_options options);

    void set_token(std::string token) { token_ = std::move(token); }
    /// Forgets the connections that nothing uses now: the next request makes one anew.
    void drop_idle() { http_->drop_idle(); }
    const std::string& server_url() const noexcept { return server_url_; }
    const std::string& token() const noexcept { return token_; }
    const net::client_options& options() const noexcept { return options_; }

    /// The object of a 2xx answer that has `member`: what has it not is none of the relay's.
    asio::awaitable<relay_answer<unchecked>> get(std::string path, std::string_view member);
    asio::awaitable<relay_answer<unchecked>> post(std::string path, boost::json::object body, std::string_view member);

    /// What a refusal of the token is worth: a new token, or a failure in its place. Nothing else says that this
    /// machine has lost its access. While it is at work everything else that is refused counts as not reached.
    std::function<asio::awaitable<relay_answer<std::string>>(const relay_failure& denied)> judge_denial;
    /// As that, for what is refused elsewhere than over HTTP. Without a judge the refusal stands.
    asio::awaitable<relay_answer<std::string>> regain_access(relay_failure denied);

    /// Called when something else answers in the relay's place, once until the relay itself answers again.
    std::function<void(const relay_failure&)> on_stranger;

private:
    relay_client(std::unique_ptr<net::http_client> http, std::string server_url, net::client_options options)
        : http_(std::move(http)), server_url_(std::move(server_url)), options_(std::move(options))
    {
    }
    asio::awaitable<relay_answer<unchecked>> send(net::client_request request, std::string_view member);
    asio::awaitable<relay_answer<unchecked>> exchange(net::client_request request, std::string_view member);

    std::unique_ptr<net::http_client> http_;
    std::string server_url_;
    net::client_options options_;
    std::string token_;
    bool stranger_ = false;
    bool judging_ = false;
};

/// From the environment: CONSORTIUM_CA_FILE names certificate authorities to trust besides the system's; the variables
/// that net::proxy_settings knows name proxies.
net::client_options client_options_from_environment();

} // namespace consortium::agent
