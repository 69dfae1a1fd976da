#include "identity/statement_list.hpp"
#include "consortium/common/base64.hpp"

namespace consortium::agent
{

boost::json::array write_statements(std::span<const bytes> statements)
{
    boost::json::array out;
    for (const auto& each : statements)
        out.push_back(boost::json::value(base64_encode(each)));
    return out;
}

std::optional<std::vector<bytes>> read_statements(const unchecked& from, std::string_view name)
{
    const auto texts = from.texts(name);
    if (!texts)
        return std::nullopt;
    std::vector<bytes> out;
    for (const auto& each : *texts)
        out.push_back(base64_decode(each).value_or(bytes()));
    return out;
}

} // namespace consortium::agent
