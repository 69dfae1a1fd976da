#include "consortium/e2ee/backup.hpp"
#include "consortium/common/base64.hpp"

namespace consortium::e2ee
{
namespace
{

constexpr std::size_t base64url_letters_max = 50;
constexpr const char* spaces = " \t\r\n";

result<key256> exactly_32(result<bytes> data)
{
    if (!data || data->size() != key256::size())
        return fail(errc::bad_request, "this is not a secret key: it has 52 letters and digits");
    const auto out = key256::from(*data);
    wipe(*data);
    return out;
}

} // namespace

std::string backup_text(const key256& secret)
{
    return base32_groups(base32_encode(secret.view()));
}

result<key256> backup_parse(std::string_view text)
{
    const auto first = text.find_first_not_of(spaces);
    text = first == std::string_view::npos ? std::string_view() : text.substr(first);
    text = text.substr(0, text.find_last_not_of(spaces) + 1);

    const bool grouped = text.find_first_of("- \t\r\n") != std::string_view::npos;
    // base64url has '-' of its own: 43 letters without other spacing that decode are taken as it.
    if (text.size() <= base64url_letters_max)
    {
        auto data = base64url_decode(text);
        if (!grouped || (data && data->size() == key256::size()))
            return exactly_32(std::move(data));
    }
    return exactly_32(base32_decode(base32_letters(text)));
}

} // namespace consortium::e2ee
