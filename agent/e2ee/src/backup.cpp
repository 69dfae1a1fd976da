#include "consortium/e2ee/backup.hpp"
#include "consortium/common/base64.hpp"

namespace consortium::e2ee
{
namespace
{

constexpr std::size_t group_letters = 5;
constexpr std::size_t base64url_letters_max = 50;
constexpr const char* spaces = " \t\r\n";

/// The letter of the base32 alphabet that was meant, or 0.
char letter_meant(char c)
{
    if (c >= 'a' && c <= 'z')
        c = static_cast<char>(c - 'a' + 'A');
    switch (c)
    {
    case '0':
        return 'O';
    case '1':
        return 'I';
    case '8':
        return 'B';
    case '9':
        return 'G';
    default:
        return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7') ? c : '\0';
    }
}

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
    const auto letters = base32_encode(secret.view());
    std::string out;
    for (std::size_t i = 0; i < letters.size(); ++i)
    {
        if (i != 0 && i % group_letters == 0)
            out.push_back('-');
        out.push_back(letters[i]);
    }
    return out;
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
    std::string letters;
    for (const char c : text)
    {
        if (const char meant = letter_meant(c))
            letters.push_back(meant);
    }
    return exactly_32(base32_decode(letters));
}

} // namespace consortium::e2ee
