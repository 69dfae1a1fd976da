#include "http_reader.hpp"
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>

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

bool has_token(std::string_view list, std::string_view token)
{
    while (!list.empty())
    {
        const auto end = list.find(',');
        auto item = list.substr(0, end);
        while (!item.empty() && (item.front() == ' ' || item.front() == '\t'))
            item.remove_prefix(1);
        while (!item.empty() && (item.back() == ' ' || item.back() == '\t'))
            item.remove_suffix(1);
        if (equal_ignoring_case(item, token))
            return true;
        list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
    }
    return false;
}

/// A list may be spread over several fields (RFC 9110 section 5.3).
bool has_token(const http_headers& headers, std::string_view name, std::string_view token)
{
    for (const auto& field : headers)
        if (equal_ignoring_case(field.name, name) && has_token(field.value, token))
            return true;
    return false;
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

namespace
{
/// A chunk's size with its extensions, or one trailer field.
constexpr std::size_t line_bytes_max = 1024;
constexpr std::size_t trailer_bytes_max = 8192;

/// Whether the framing of a body can be trusted: one coding, `chunked`, or none.
bool codings_are_known(const http_headers& headers)
{
    std::size_t count = 0;
    bool known = true;
    for (const auto& field : headers)
    {
        if (!equal_ignoring_case(field.name, "Transfer-Encoding"))
            continue;
        ++count;
        known = known && equal_ignoring_case(field.value, "chunked");
    }
    return known && count <= 1;
}

/// Offers the unread input to Beast until its header is complete.
template <class Parser>
read_state feed_header(Parser& beast, std::string_view input, std::size_t& used, boost::system::error_code& failed)
{
    // put() stops at several places on its way; each round makes progress or returns.
    while (true)
    {
        failed = {};
        const auto rest = input.substr(used);
        const auto count = beast.put(asio::const_buffer(rest.data(), rest.size()), failed);
        used += count;
        if (failed && failed != http::error::need_more)
            return read_state::failed;
        if (beast.is_header_done())
            return read_state::header_done;
        if (failed || count == 0)
            return read_state::need_more;
    }
}
} // namespace

body_reader body_reader::of_length(std::uint64_t size)
{
    body_reader out(step::sized);
    out.left_ = size;
    return out;
}

body_reader body_reader::chunked()
{
    return body_reader(step::chunk_size);
}

body_reader::outcome body_reader::read_line(std::string_view line)
{
    for (const char c : line)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            return outcome::malformed;
    if (step_ == step::trailer)
    {
        trailer_bytes_ += line.size();
        if (trailer_bytes_ > trailer_bytes_max)
            return outcome::malformed;
        step_ = line.empty() ? step::done : step::trailer;
        return outcome::need_more;
    }
    if (step_ == step::chunk_end)
    {
        step_ = step::chunk_size;
        return line.empty() ? outcome::need_more : outcome::malformed;
    }
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
    auto rest = line.substr(static_cast<std::size_t>(parsed.ptr - line.data()));
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (parsed.ec != std::errc{} || (!rest.empty() && rest.front() != ';'))
        return outcome::malformed;
    step_ = left_ == 0 ? step::trailer : step::chunk_data;
    return outcome::need_more;
}

body_reader::outcome
body_reader::feed(std::string_view input, std::size_t& used, std::string& body, std::size_t bytes_max)
{
    used = 0;
    while (step_ != step::done)
    {
        const auto rest = input.substr(used);
        if (step_ == step::sized || step_ == step::chunk_data)
        {
            if (left_ > bytes_max - std::min(bytes_max, body.size()))
                return outcome::too_large;
            const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
            // Growing by doubling would copy megabytes at once, while others of the thread wait. What is only reserved
            // costs no memory before it is filled.
            if (count > 0 && count < left_ && body.capacity() - body.size() < left_)
                body.reserve(body.size() + left_);
            body += rest.substr(0, count);
            used += count;
            left_ -= count;
            if (left_ > 0)
                return outcome::need_more;
            step_ = step_ == step::sized ? step::done : step::chunk_end;
            continue;
        }
        const auto end = rest.find('\n');
        if (end > line_bytes_max && (end != std::string_view::npos || rest.size() > line_bytes_max))
            return outcome::malformed;
        if (end == std::string_view::npos)
            return outcome::need_more;
        // A bare line feed ends no line: what reads it otherwise and what does not would disagree.
        if (end == 0 || rest[end - 1] != '\r')
            return outcome::malformed;
        used += end + 1;
        if (read_line(rest.substr(0, end - 1)) == outcome::malformed)
            return outcome::malformed;
    }
    return outcome::done;
}

struct request_reader::parser
{
    http::request_parser<http::empty_body> beast;
};

request_reader::request_reader(std::size_t header_bytes_max) : parser_(std::make_unique<parser>())
{
    parser_->beast.header_limit(static_cast<std::uint32_t>(header_bytes_max));
    parser_->beast.skip(true);
}

request_reader::~request_reader() = default;

read_state request_reader::refuse(unsigned status, std::string detail)
{
    status_ = status;
    detail_ = std::move(detail);
    return read_state::failed;
}

std::optional<read_state> request_reader::take_header()
{
    const auto& message = parser_->beast.get();
    request_.method = std::string_view(message.method_string().data(), message.method_string().size());
    request_.target = std::string_view(message.target().data(), message.target().size());
    request_.headers = copy_headers(message);
    const auto target = origin_form(request_.target);
    const auto question = target.find('?');
    auto path = percent_decode(target.substr(0, question), /*plus_is_space=*/false);
    if (!path || path->contains('\0') || (!path->starts_with('/') && *path != "*"))
        return refuse(400, "Malformed request target");
    request_.path = std::move(*path);
    if (question != std::string_view::npos)
        request_.query = parse_query(target.substr(question + 1));

    if (!codings_are_known(request_.headers))
        return refuse(501, "Unsupported transfer coding");
    request_.upgrade =
        has_token(request_.headers, "Connection", "upgrade") && has_token(request_.headers, "Upgrade", "websocket");
    if (parser_->beast.chunked())
    {
        request_.body_size = std::nullopt;
        body_ = body_reader::chunked();
        return {};
    }
    const auto length = parser_->beast.content_length();
    request_.body_size = length ? *length : 0;
    body_ = body_reader::of_length(*request_.body_size);
    return {};
}

read_state request_reader::feed(std::string_view input, std::size_t& used)
{
    used = 0;
    if (!body_)
    {
        boost::system::error_code failed;
        const auto state = feed_header(parser_->beast, input, used, failed);
        if (failed == http::error::header_limit)
            return refuse(431, "The request header is too large");
        if (state == read_state::failed)
            return refuse(400, "Malformed request: " + failed.message());
        if (state == read_state::need_more)
            return state;
        if (const auto refused = take_header())
            return *refused;
        return read_state::header_done;
    }
    const auto outcome = body_->feed(input, used, request_.body, body_bytes_max_);
    if (discards_)
        request_.body.clear();
    switch (outcome)
    {
    case body_reader::outcome::done:
        return read_state::done;
    case body_reader::outcome::need_more:
        return read_state::need_more;
    case body_reader::outcome::too_large:
        return refuse(413, "Request body is too large");
    case body_reader::outcome::malformed:
        break;
    }
    return refuse(400, "Malformed request: bad chunk");
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
    return parser_->beast.get().keep_alive();
}

bool request_reader::expects_continue() const noexcept
{
    const auto expect = request_.header("Expect");
    return expect && equal_ignoring_case(*expect, "100-continue");
}

} // namespace consortium::net
