#include "consortium/common/bytes.hpp"
#include "consortium/protocol/json_text.hpp"
#include "same_json.hpp"
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    const auto said = text(byte_view(data, size));
    const auto read = protocol::parse_json(said);
    boost::json::parse_options as_deep;
    as_deep.max_depth = protocol::json_depth_max;
    boost::system::error_code failed;
    const auto plain = boost::json::parse(boost::json::string_view(said.data(), said.size()), failed, {}, as_deep);
    // Whatever is read is what it says, and can be written again.
    if (read)
    {
        CONSORTIUM_ASSERT(!failed && fuzz::same_json(*read, plain));
        const auto again = protocol::parse_json(boost::json::serialize(*read));
        CONSORTIUM_ASSERT(again && *again == *read);
    }
    return 0;
}
