#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// HTTP messages as plain values.
namespace consortium::net
{

/// Header fields in order; names compare without regard to case.
class http_headers
{
public:
    struct field
    {
        std::string name;
        std::string value;
    };

    http_headers() = default;
    http_headers(std::initializer_list<field> fields) : fields_(fields) {}

    /// The first field of that name.
    std::optional<std::string_view> find(std::string_view name) const noexcept;
    bool contains(std::string_view name) const noexcept { return find(name).has_value(); }
    /// Replaces every field of that name.
    void set(std::string_view name, std::string_view value);
    void add(std::string_view name, std::string_view value)
    {
        fields_.emplace_back(std::string(name), std::string(value));
    }

    auto begin() const noexcept { return fields_.begin(); }
    auto end() const noexcept { return fields_.end(); }

private:
    std::vector<field> fields_;
};

/// Header names and tokens of header values compare so.
bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept;

using query_list = std::vector<std::pair<std::string, std::string>>;

struct http_request
{
    std::string method; ///< as sent, e.g. "GET"
    std::string target; ///< as sent, e.g. "/v1/auth/request/status?publicKey=ab%2Bc"
    std::string path;   ///< percent-decoded, without the query
    query_list query;   ///< form-decoded (`+` is a space)
    http_headers headers;
    bool upgrade = false; ///< asks to become a WebSocket
    /// Bytes of body that the header announces; empty when it comes in chunks.
    std::optional<std::uint64_t> body_size = 0;
    std::string body;
    /// What http_handler::admit() kept of it.
    std::shared_ptr<void> admitted;

    std::optional<std::string_view> header(std::string_view name) const noexcept { return headers.find(name); }
    /// The first query value of that name.
    std::optional<std::string_view> query_value(std::string_view name) const noexcept;
};

/// Who sent a request.
struct connection_info
{
    std::string remote_address; ///< numeric, without the port; admit() may know better
    std::uint16_t remote_port = 0;
    bool tls = false;
    std::size_t thread = 0; ///< index of the network thread that the connection stays on
};

/// The bytes of a body: owned, shared, or of static storage duration.
using http_body = std::variant<std::string, std::shared_ptr<const std::string>, std::string_view>;
std::string_view view(const http_body& body) noexcept;

struct http_response
{
    unsigned status = 200;
    http_headers headers;
    http_body body;
    /// Close the connection after this answer.
    bool close = false;

    /// With `Content-Type: application/json`.
    static http_response json(unsigned status, std::string body);
    static http_response text(unsigned status, std::string body);
    static http_response with(unsigned status, std::string_view content_type, http_body body);
};

/// The standard reason phrase, e.g. "Not Found".
std::string_view reason_phrase(unsigned status) noexcept;

/// Percent-encodes everything but RFC 3986 unreserved characters.
std::string percent_encode(std::string_view text);
/// Empty when an escape is malformed. `plus_is_space`: form encoding.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// Splits `a=b&c=d` and form-decodes names and values; what cannot be decoded is kept as it is.
query_list parse_query(std::string_view text);

} // namespace consortium::net
