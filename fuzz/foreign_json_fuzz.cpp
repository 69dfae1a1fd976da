#include "consortium/common/bytes.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/json_text.hpp"
#include "consortium/protocol/raw_json.hpp"
#include <boost/json/serialize.hpp>
#include <limits>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    constexpr std::size_t depth = 8;
    constexpr protocol::json_bounds strict{std::numeric_limits<std::size_t>::max(), depth};
    const auto said = text(byte_view(data, size));
    const auto read = protocol::read_foreign_json(said, depth);
    // What is JSON is read as it is; what is read can be written, and read strictly.
    if (const auto plain = protocol::parse_json(said, strict))
    {
        CONSORTIUM_ASSERT(read && *read == *plain);
        // Each member stands in the text as what was read of it.
        for (const auto& [name, value] : plain->is_object() ? plain->get_object() : boost::json::object())
        {
            const auto raw = protocol::raw_member(said, std::string_view(name.data(), name.size()));
            const auto member =
                raw ? protocol::parse_json(*raw, strict) : std::unexpected(error{errc::corrupt, {}, {}});
            CONSORTIUM_ASSERT(member && *member == value);
        }
    }
    (void)protocol::raw_member(said, "a"); // of any text
    if (read)
    {
        const auto again = protocol::parse_json(boost::json::serialize(*read), strict);
        CONSORTIUM_ASSERT(again && *again == *read);
    }
    return 0;
}
