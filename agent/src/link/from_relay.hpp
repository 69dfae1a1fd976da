#pragma once
#include "consortium/common/error.hpp"
#include <boost/json/object.hpp>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What comes over the network under the relay's name. It may be the relay's, a lying relay's, or of something in
/// between: a proxy's page, the sign-in of a hotel.
namespace consortium::agent
{

/// A JSON object that was received and not checked. Its values are had only in the form they are asked for: what is
/// missing, of another type, too long or no id is not there.
class unchecked
{
public:
    /// Texts that are not asked for by their own bound.
    static constexpr std::size_t text_bytes_max = 4096;

    unchecked() : unchecked(boost::json::object()) {}
    explicit unchecked(boost::json::object received)
        : value_(std::make_shared<const boost::json::object>(std::move(received)))
    {
    }

    bool has(std::string_view name) const { return value_->contains(name); }
    /// Empty when there is no such text.
    std::string text(std::string_view name, std::size_t bytes_max = text_bytes_max) const;
    /// An id in its canonical form; empty otherwise.
    std::string uuid(std::string_view name) const;
    /// A whole number from 0; 0 otherwise.
    std::int64_t number(std::string_view name) const;
    bool flag(std::string_view name) const;
    std::optional<unchecked> object(std::string_view name) const;
    /// Those elements of a list that are objects; empty when it is not one.
    std::vector<unchecked> objects(std::string_view name) const;
    bool has_list(std::string_view name) const;
    /// The elements of a list of texts; empty when it is none, or not of texts alone.
    std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t bytes_max = text_bytes_max) const;

    /// For a parser that checks a whole form by itself (protocol/v1).
    const boost::json::object& for_parser() const noexcept { return *value_; }

private:
    explicit unchecked(std::shared_ptr<const boost::json::object> part) : value_(std::move(part)) {}

    std::shared_ptr<const boost::json::object> value_; ///< shares the whole of what was received
};

/// Why there is no answer.
struct relay_failure : error
{
    /// The relay itself refused, in its own form. Otherwise `code` is one of those worth retrying, and nothing is known
    /// of what the relay thinks: it was not reached, or something else answered in its place.
    bool by_relay = false;
    /// Something else answered in its place.
    bool by_stranger = false;
    /// What answered in its place found the request too large (HTTP 413).
    bool size_refused = false;
    /// The refusal as it came: some carry more than their code.
    unchecked said{};

    /// Not reached, whatever the reason.
    static relay_failure not_reached(error why);
    /// Something else answered. `what`: for people, e.g. "HTTP 404, a web page".
    static relay_failure stranger(std::string_view where, std::string_view what);
    /// Empty unless `said` is the relay's refusal: a text, a code of docs/protocol.md 2, `retry` false or a time.
    /// `text` is the name of the text: `error` over HTTP, `message` over the socket.
    static std::optional<relay_failure> parse_refusal(const unchecked& said, std::string_view text);
};

template <class T>
using relay_answer = std::expected<T, relay_failure>;

/// Whether the same request may succeed later: the relay was not reached, or said so.
bool worth_retrying(const error& problem) noexcept;

/// Whether the relay itself says that it does not take the token.
bool is_denial(const relay_failure& failure) noexcept;

/// The object of an HTTP answer: 2xx, JSON, with `member` in it; the refusal, if it is the relay's; else a stranger's.
relay_answer<unchecked>
judge_answer(std::string_view where, unsigned status, std::string_view body, std::string_view member);

} // namespace consortium::agent
