#include "consortium/postgres/database_url.hpp"
#include "consortium/common/printable.hpp"
#include <libpq-fe.h>
#include <map>
#include <memory>

namespace consortium::postgres
{
namespace
{

using unique_options = std::unique_ptr<PQconninfoOption, decltype([](PQconninfoOption* of) { PQconninfoFree(of); })>;
using unique_text = std::unique_ptr<char, decltype([](char* of) { PQfreemem(of); })>;

std::unexpected<error> malformed(std::string_view why)
{
    return fail(
        errc::bad_request, "DATABASE_URL is malformed: " + std::string(why) +
                               ". It looks like postgresql://USER:PASSWORD@HOST:5432/DATABASE; in user, password and "
                               "names write @ as %40, / as %2F, : as %3A and % as %25");
}

} // namespace

result<database_url> database_url::parse(std::string_view text)
{
    if (!text.starts_with("postgresql://") && !text.starts_with("postgres://"))
        return malformed("it does not begin with postgresql://");
    if (text.contains('\0'))
        return malformed("it holds a NUL");
    database_url out;
    out.value_ = text;
    char* complaint = nullptr;
    const unique_options options(PQconninfoParse(out.value_.c_str(), &complaint));
    const unique_text freed(complaint);
    if (!options)
        return malformed("libpq cannot read it");

    std::map<std::string_view, std::string> said;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr)
            said[option->keyword] = option->val;
    if (const auto port = said.find("port");
        port != said.end() && port->second.find_first_not_of("0123456789,") != std::string::npos)
        return malformed("its port is no number");
    const auto named = [&](std::string_view keyword, std::string_view otherwise)
    { return said.contains(keyword) ? printable(said[keyword]) : std::string(otherwise); };
    out.description_ = "database " + named("dbname", "by default") + " on " + named("host", "this machine");
    if (said.contains("port"))
        out.description_ += ":" + named("port", "");
    if (said.contains("user"))
        out.description_ += " as " + named("user", "");
    return out;
}

} // namespace consortium::postgres
