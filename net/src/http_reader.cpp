#include "http_reader.hpp"
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace consortium::net
{
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace
{
template <class Fields>
http_headers copy_headers(const Fields& fields)
{
    http_headers out;
    for (const auto& field : fields)
        out.add(
            std::string_view(field.name_string().data(), field.name_string().size()),
            std::string_view(field.value().data(), field.value().size()));
    return out;
}

/// An absolute form (RFC 9112 section 3.2.2) means its path.
std::string_view origin_form(std::string_view target)
{
    for (const std::string_view scheme : {"http://", "https://"})
    {
        if (!target.starts_with(scheme))
            continue;
        const auto path = target.find_first_of("/?", scheme.size());
        return path == std::string_view::npos ? "/" : target.substr(path);
    }
    return target;
}
} // namespace

struct request_reader::parser
{
    http::request_parser<http::string_body> beast;
};

request_reader::request_reader(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : parser_(std::make_unique<parser>())
{
    parser_->beast.header_limit(static_cast<std::uint32_t>(header_bytes_max));
    parser_->beast.body_limit(body_bytes_max);
    parser_->beast.eager(false);
}

request_reader::~request_reader() = default;

read_state request_reader::refuse(unsigned status, std::string detail)
{
    status_ = status;
    detail_ = std::move(detail);
    return read_state::failed;
}

bool request_reader::take_header()
{
    const auto& message = parser_->beast.get();
    request_.method = std::string_view(message.method_string().data(), message.method_string().size());
    request_.target = std::string_view(message.target().data(), message.target().size());
    request_.headers = copy_headers(message);
    const auto target = origin_form(request_.target);
    const auto question = target.find('?');
    auto path = percent_decode(target.substr(0, question), /*plus_is_space=*/false);
    if (!path || path->contains('\0') || (!path->starts_with('/') && *path != "*"))
        return false;
    request_.path = std::move(*path);
    if (question != std::string_view::npos)
        request_.query = parse_query(target.substr(question + 1));
    return true;
}

read_state request_reader::feed(std::string_view input, std::size_t& used)
{
    used = 0;
    auto& beast = parser_->beast;
    // put() stops at several places on its way; each round makes progress or returns.
    while (true)
    {
        boost::system::error_code failed;
        const auto rest = input.substr(used);
        const auto count = beast.put(asio::const_buffer(rest.data(), rest.size()), failed);
        used += count;
        if (failed && failed != http::error::need_more)
        {
            if (failed == http::error::header_limit)
                return refuse(431, "The request header is too large");
            if (failed == http::error::body_limit)
                return refuse(413, "Request body is too large");
            return refuse(400, "Malformed request: " + failed.message());
        }
        if (!in_body_ && beast.is_header_done())
        {
            in_body_ = true;
            beast.eager(true);
            if (!take_header())
                return refuse(400, "Malformed request target");
            if (!beast.is_done())
                return read_state::header_done;
        }
        if (beast.is_done())
        {
            request_.body = std::move(beast.get().body());
            return read_state::done;
        }
        if (failed || count == 0)
            return read_state::need_more;
    }
}

const http_request& request_reader::request() const noexcept
{
    return request_;
}

http_request request_reader::take()
{
    return std::move(request_);
}

bool request_reader::keep_alive() const noexcept
{
    return parser_->beast.keep_alive();
}

bool request_reader::expects_continue() const noexcept
{
    const auto expect = request_.header("Expect");
    return expect && equal_ignoring_case(*expect, "100-continue");
}

struct response_reader::parser
{
    http::response_parser<http::string_body> beast;
};

response_reader::response_reader(bool head_request, std::size_t body_bytes_max)
    : head_request_(head_request), body_bytes_max_(body_bytes_max)
{
    restart();
}

response_reader::~response_reader() = default;

void response_reader::restart()
{
    parser_ = std::make_unique<parser>();
    parser_->beast.header_limit(64u << 10);
    parser_->beast.body_limit(body_bytes_max_);
    parser_->beast.eager(true);
    if (head_request_)
        parser_->beast.skip(true);
}

read_state response_reader::feed(std::string_view input, std::size_t& used)
{
    used = 0;
    while (true)
    {
        boost::system::error_code failed;
        const auto rest = input.substr(used);
        const auto count = parser_->beast.put(asio::const_buffer(rest.data(), rest.size()), failed);
        used += count;
        if (failed && failed != http::error::need_more)
        {
            too_large_ = failed == http::error::body_limit;
            detail_ = failed.message();
            return read_state::failed;
        }
        if (parser_->beast.is_done())
        {
            const auto status = parser_->beast.get().result_int();
            if (status >= 200 || status == 101)
                return read_state::done;
            restart();
            continue;
        }
        if (failed || count == 0)
            return read_state::need_more;
    }
}

read_state response_reader::end_of_input()
{
    if (!parser_->beast.got_some())
    {
        detail_ = "the connection ended before an answer";
        return read_state::failed;
    }
    boost::system::error_code failed;
    parser_->beast.put_eof(failed);
    if (failed || !parser_->beast.is_done())
    {
        detail_ = "the connection ended in the middle of an answer";
        return read_state::failed;
    }
    return read_state::done;
}

client_response response_reader::take()
{
    auto& message = parser_->beast.get();
    client_response out;
    out.status = message.result_int();
    out.headers = copy_headers(message);
    out.body = std::move(message.body());
    return out;
}

bool response_reader::keep_alive() const noexcept
{
    return parser_->beast.keep_alive() && !parser_->beast.need_eof();
}

} // namespace consortium::net
