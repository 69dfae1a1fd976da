#include "consortium/protocol/json_text.hpp"
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <string>

namespace consortium::protocol
{
namespace json = boost::json;
namespace
{

json_bounds of_process;

/// What Boost's own parser does with the events of its grammar, and counts.
class bounded_builder
{
public:
    // All are counted together, below.
    static constexpr std::size_t max_object_size = json::object::max_size();
    static constexpr std::size_t max_array_size = json::array::max_size();
    static constexpr std::size_t max_key_size = json::string::max_size();
    static constexpr std::size_t max_string_size = json::string::max_size();

    explicit bounded_builder(std::size_t count_max) : count_max_(count_max) { stack_.reset(); }

    json::value release() { return stack_.release(); }
    bool too_many() const noexcept { return count_ > count_max_; }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code&) { return true; }
    bool on_object_end(std::size_t size, json::error_code& failed)
    {
        stack_.push_object(size);
        return one_more(failed);
    }
    bool on_array_begin(json::error_code&) { return true; }
    bool on_array_end(std::size_t size, json::error_code& failed)
    {
        stack_.push_array(size);
        return one_more(failed);
    }
    bool on_key_part(json::string_view part, std::size_t, json::error_code&)
    {
        stack_.push_chars(part);
        return true;
    }
    bool on_key(json::string_view last, std::size_t, json::error_code& failed)
    {
        stack_.push_key(last);
        return one_more(failed);
    }
    bool on_string_part(json::string_view part, std::size_t, json::error_code&)
    {
        stack_.push_chars(part);
        return true;
    }
    bool on_string(json::string_view last, std::size_t, json::error_code& failed)
    {
        stack_.push_string(last);
        return one_more(failed);
    }
    bool on_number_part(json::string_view part, json::error_code&)
    {
        number_.append(part);
        return true;
    }
    bool on_int64(std::int64_t number, json::string_view, json::error_code& failed)
    {
        number_.clear();
        stack_.push_int64(number);
        return one_more(failed);
    }
    bool on_uint64(std::uint64_t number, json::string_view, json::error_code& failed)
    {
        number_.clear();
        stack_.push_uint64(number);
        return one_more(failed);
    }
    bool on_double(double number, json::string_view last, json::error_code& failed)
    {
        // Boost 1.81 reads a number of many digits to within a few units in the last place: what was read, written and
        // read again would be another. Every other reader takes the nearest there is, and so do we.
        number_.append(last);
        const auto nearest = std::from_chars(number_.data(), number_.data() + number_.size(), number);
        number_.clear();
        // JSON knows no infinity, but Boost reads 1e999 as one and would write it as text that nobody can read. What is
        // too small to be told from zero is zero.
        const bool out_of_range = nearest.ec == std::errc::result_out_of_range;
        if (!std::isfinite(number) || (out_of_range && std::abs(number) > 1))
        {
            failed = json::error::exponent_overflow;
            return false;
        }
        stack_.push_double(number);
        return one_more(failed);
    }
    bool on_bool(bool truth, json::error_code& failed)
    {
        stack_.push_bool(truth);
        return one_more(failed);
    }
    bool on_null(json::error_code& failed)
    {
        stack_.push_null();
        return one_more(failed);
    }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

private:
    bool one_more(json::error_code& failed)
    {
        if (++count_ <= count_max_)
            return true;
        failed = json::error::array_too_large;
        return false;
    }

    json::value_stack stack_;
    std::string number_; ///< the one that is being read
    std::size_t count_ = 0;
    std::size_t count_max_;
};

} // namespace

void bound_json(const json_bounds& most)
{
    of_process = most;
}

result<json::value> parse_json(std::string_view text)
{
    return parse_json(text, of_process);
}

result<json::value> parse_json(std::string_view text, const json_bounds& bounds)
{
    json::parse_options options;
    options.max_depth = bounds.depth_max;
    json::basic_parser<bounded_builder> parser(options, bounds.values_max);
    json::error_code failed;
    const auto used = parser.write_some(false, text.data(), text.size(), failed);
    if (parser.handler().too_many())
        return fail(errc::too_large, "the JSON holds more than " + std::to_string(bounds.values_max) + " values");
    if (!failed && used < text.size())
        failed = json::error::extra_data;
    if (failed)
        return fail(errc::bad_request, "not valid JSON: " + failed.message());
    return parser.handler().release();
}

} // namespace consortium::protocol
