#pragma once
#include "consortium/net/http.hpp"
#include "consortium/net/http_client.hpp"
#include <memory>
#include <string_view>

/// Incremental parsing of HTTP/1 messages. Beast's parsers stay in the source.
namespace consortium::net
{

enum class read_state
{
    need_more,
    header_done, ///< returned once, when the header is complete and a body follows
    done,
    failed,
};

/// One request. Offer the unread input, drop what was used, read more when it asks for more.
class request_reader
{
public:
    request_reader(std::size_t header_bytes_max, std::size_t body_bytes_max);
    ~request_reader();

    read_state feed(std::string_view input, std::size_t& used);

    /// After header_done or done.
    const http_request& request() const noexcept;
    /// After done.
    http_request take();
    bool keep_alive() const noexcept;
    bool expects_continue() const noexcept;

    /// After failed: the status to answer, and what was wrong.
    unsigned status() const noexcept { return status_; }
    std::string_view detail() const noexcept { return detail_; }

private:
    struct parser;
    read_state refuse(unsigned status, std::string detail);
    bool take_header();

    std::unique_ptr<parser> parser_;
    http_request request_;
    bool in_body_ = false;
    unsigned status_ = 400;
    std::string detail_;
};

/// One response; interim ones (1xx but 101) are passed over.
class response_reader
{
public:
    response_reader(bool head_request, std::size_t body_bytes_max);
    ~response_reader();

    read_state feed(std::string_view input, std::size_t& used);
    /// The connection ended; done when that ends the body.
    read_state end_of_input();
    client_response take();
    bool keep_alive() const noexcept;
    bool too_large() const noexcept { return too_large_; }
    std::string_view detail() const noexcept { return detail_; }

private:
    struct parser;
    void restart();

    std::unique_ptr<parser> parser_;
    bool head_request_;
    std::size_t body_bytes_max_;
    bool too_large_ = false;
    std::string detail_;
};

} // namespace consortium::net
