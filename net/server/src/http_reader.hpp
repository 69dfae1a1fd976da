#pragma once
#include "consortium/net/http.hpp"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// Incremental parsing of HTTP/1 requests. Headers are read by Beast, whose parsers stay in the source; bodies are read
/// here, because Beast 1.81 ends the process on some malformed chunks (an assertion in parse_chunk_header).
namespace consortium::net
{

enum class read_state
{
    need_more,
    header_done, ///< returned once, when the header is complete and a body follows
    done,
    failed,
};

/// Takes a body out of its framing (RFC 9112 sections 6 and 7).
class body_reader
{
public:
    /// Exactly so many bytes.
    static body_reader of_length(std::uint64_t size);
    static body_reader chunked();

    enum class outcome
    {
        need_more,
        done,
        malformed,
        too_large,
    };
    /// Appends what it finds to `body`, which shall not grow above `bytes_max`. Trailer fields are thrown away.
    outcome feed(std::string_view input, std::size_t& used, std::string& body, std::size_t bytes_max);

private:
    enum class step
    {
        sized,
        chunk_size,
        chunk_data,
        chunk_end,
        trailer,
        done,
    };

    explicit body_reader(step first) : step_(first) {}
    outcome read_line(std::string_view line);

    step step_;
    std::uint64_t left_ = 0; ///< of the body, or of the chunk
    std::size_t trailer_bytes_ = 0;
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
    /// What refuses the header, or empty.
    std::optional<read_state> take_header();

    std::unique_ptr<parser> parser_;
    http_request request_;
    std::size_t body_bytes_max_;
    std::optional<body_reader> body_;
    unsigned status_ = 400;
    std::string detail_;
};

} // namespace consortium::net
