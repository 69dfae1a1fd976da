#include "consortium/common/invitation.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/common/secret.hpp"

namespace consortium
{
namespace
{

constexpr std::size_t code_letters = 25;
constexpr std::string_view link_mark = "#invite=";
constexpr std::string_view context = "consortium-invitation-v1\n";

invitation_id id_of(std::string_view letters)
{
    return {to_array<16>(byte_view(sha256({view(context), view(letters)})).first(16))};
}

} // namespace

invitation make_invitation()
{
    const auto letters = base32_encode(random_array<16>()).substr(0, code_letters);
    return {base32_groups(letters), id_of(letters)};
}

std::optional<invitation_id> invitation_of(std::string_view code)
{
    if (const auto marked = code.rfind(link_mark); marked != std::string_view::npos)
        code.remove_prefix(marked + link_mark.size());
    const auto letters = base32_letters(code);
    return letters.size() == code_letters ? std::optional(id_of(letters)) : std::nullopt;
}

std::string invitation_link(std::string_view relay_url, std::string_view code)
{
    std::string out(relay_url);
    if (!out.ends_with('/'))
        out.push_back('/');
    return out.append(link_mark).append(code);
}

} // namespace consortium
