#pragma once
#include "consortium/common/bytes.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// JSON as the /v1 contract uses it. Reading goes through Boost.JSON; writing appends text, because an update is
/// written once and sent to many.
namespace consortium::protocol::v1
{

/// The largest integer on the wire: what a JavaScript number holds exactly.
inline constexpr std::int64_t integer_max = (std::int64_t{1} << 53) - 1;

/// Appends one JSON value after the other to `out`; commas are its business.
class json_writer
{
public:
    explicit json_writer(std::string& out) : out_(out) {}

    json_writer& begin_object();
    json_writer& end_object();
    json_writer& begin_array();
    json_writer& end_array();
    /// `name` needs no escapes.
    json_writer& key(std::string_view name);

    json_writer& value(std::string_view text);
    json_writer& value(const char* text) { return value(std::string_view(text)); }
    json_writer& value(bool truth);
    json_writer& value(std::nullptr_t);
    template <std::integral Integer>
        requires(!std::same_as<Integer, bool>)
    json_writer& value(Integer number)
    {
        if constexpr (std::signed_integral<Integer>)
            return signed_number(number);
        else
            return unsigned_number(number);
    }
    template <class Value>
    json_writer& value(const std::optional<Value>& maybe)
    {
        return maybe ? value(*maybe) : value(nullptr);
    }
    /// JSON text, taken as it is.
    json_writer& raw(std::string_view json);

    template <class Value>
    json_writer& field(std::string_view name, const Value& content)
    {
        key(name);
        return value(content);
    }

private:
    json_writer& signed_number(std::int64_t number);
    json_writer& unsigned_number(std::uint64_t number);
    void separate();

    std::string& out_;
    bool first_ = true;
};

/// Text as a JSON string, quotes included. Bytes above 0x7f go through: they are UTF-8 already.
void append_quoted(std::string& out, std::string_view text);

/// An object, and nothing behind it. errc::bad_request.
result<boost::json::object> parse_object_text(std::string_view text);

/// Takes the fields of a request one by one and remembers the first that is wrong, so that a reader of a type reads
/// like a list. A wrong field yields an empty value. Views point into the object.
class field_reader
{
public:
    explicit field_reader(const boost::json::object& from) : from_(from) {}

    /// At most `bytes_max` bytes, else errc::too_large.
    std::string_view text(std::string_view name, std::size_t bytes_max);
    /// The same, not empty.
    std::string_view name(std::string_view name, std::size_t bytes_max);
    /// Absent or null: empty.
    std::optional<std::string_view> maybe_text(std::string_view name, std::size_t bytes_max);
    /// Canonical base64, as the text it is.
    std::optional<std::string_view> maybe_base64_text(std::string_view name, std::size_t bytes_max);
    std::string_view base64_text(std::string_view name, std::size_t bytes_max);
    /// Base64 of 1 to `bytes_max` bytes.
    bytes base64(std::string_view name, std::size_t bytes_max);
    /// Base64 of exactly N bytes.
    template <std::size_t N>
    byte_array<N> key(std::string_view name)
    {
        const auto data = base64(name, N);
        if (data.size() != N)
        {
            refuse(errc::bad_request, name, " must be " + std::to_string(N) + " bytes in base64");
            return {};
        }
        return to_array<N>(data);
    }
    /// A UUID, spelt as to_string() spells it.
    template <class Id>
    Id id(std::string_view name)
    {
        const auto given = text(name, 36);
        const auto found = parse_uuid<Id>(given);
        if (!found || to_string(*found) != given)
        {
            refuse(errc::bad_request, name, " must be an id in lower case");
            return {};
        }
        return *found;
    }
    /// An integer, `least` <= it <= integer_max. Floats that are integers count.
    std::int64_t integer(std::string_view name, std::int64_t least);
    std::optional<bool> maybe_boolean(std::string_view name);
    const boost::json::object* maybe_object(std::string_view name);
    const boost::json::array* array(std::string_view name);
    bool has(std::string_view name) const;

    void refuse(errc code, std::string_view name, std::string_view what);
    const std::optional<error>& failed() const noexcept { return failed_; }

    /// The value if all was well.
    template <class Value>
    result<Value> finish(Value value) const
    {
        if (failed_)
            return std::unexpected(*failed_);
        return value;
    }

private:
    const boost::json::value* find(std::string_view name) const;

    const boost::json::object& from_;
    std::optional<error> failed_;
};

} // namespace consortium::protocol::v1
