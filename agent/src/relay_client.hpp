#pragma once
#include "consortium/net/http_client.hpp"
#include <boost/json/object.hpp>
#include <memory>
#include <string>

namespace consortium::agent
{
namespace asio = boost::asio;

/// Whether the same request may succeed later: the relay was not reached, or said so.
bool worth_retrying(const error& problem) noexcept;
/// The error that an answer of the relay stands for: its `code`, its `error` or `message`, its `retry`.
error error_of(const boost::json::object& body, unsigned status);

/// The relay's HTTP side. Everything on one executor.
class relay_client
{
public:
    /// `server_url` without a trailing slash. errc::bad_request, errc::io.
    static result<std::unique_ptr<relay_client>>
    make(asio::any_io_executor executor, std::string server_url, net::client_options options);

    void set_token(std::string token) { token_ = std::move(token); }
    const std::string& server_url() const noexcept { return server_url_; }
    const std::string& token() const noexcept { return token_; }
    const net::client_options& options() const noexcept { return options_; }

    /// The object of a 2xx answer. Errors: those of net::http_client, and what the relay refused with.
    asio::awaitable<result<boost::json::object>> get(std::string path);
    asio::awaitable<result<boost::json::object>> post(std::string path, boost::json::object body);

private:
    relay_client(std::unique_ptr<net::http_client> http, std::string server_url, net::client_options options)
        : http_(std::move(http)), server_url_(std::move(server_url)), options_(std::move(options))
    {
    }
    asio::awaitable<result<boost::json::object>> send(net::client_request request);

    std::unique_ptr<net::http_client> http_;
    std::string server_url_;
    net::client_options options_;
    std::string token_;
};

/// From the environment: CONSORTIUM_CA_FILE names certificate authorities to trust besides the system's.
net::client_options client_options_from_environment();

} // namespace consortium::agent
