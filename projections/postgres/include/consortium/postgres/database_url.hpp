#pragma once
#include "consortium/common/error.hpp"
#include <string>
#include <string_view>

namespace consortium::postgres
{

/// Where the mirror's Postgres is and who signs in there: postgresql://USER@HOST:PORT/DATABASE.
class database_url
{
public:
    /// errc::bad_request for what libpq does not take as a URL. Nothing of the text is repeated: a password may stand
    /// anywhere in it.
    static result<database_url> parse(std::string_view text);

    /// The whole, for libpq.
    const std::string& value() const noexcept { return value_; }
    /// For people: "DATABASE on HOST:PORT as USER", as far as they are said; never a password.
    const std::string& description() const noexcept { return description_; }

private:
    std::string value_;
    std::string description_;
};

} // namespace consortium::postgres
