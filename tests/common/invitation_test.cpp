#include "consortium/common/base64.hpp"
#include "consortium/common/invitation.hpp"
#include "consortium/common/secret.hpp"
#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

using namespace consortium;

namespace
{

std::string lower(std::string text)
{
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

} // namespace

TEST(invitation, is_known_by_its_code_however_it_is_written)
{
    init_crypto();
    const auto made = make_invitation();
    ASSERT_EQ(made.code.size(), 29u);
    const auto letters = base32_letters(made.code);
    ASSERT_EQ(letters.size(), 25u);
    for (const auto& typed :
         {made.code, letters, lower(made.code), " " + made.code + "\n",
          invitation_link("https://relay.example", made.code),
          invitation_link("https://relay.example/", lower(letters))})
        EXPECT_EQ(invitation_of(typed), made.id) << typed;
    EXPECT_EQ(invitation_link("https://relay.example/", "A-B"), "https://relay.example/#invite=A-B");
    for (const auto& typed : {std::string(), letters.substr(1), letters + "A", "https://relay.example/" + made.code})
        EXPECT_FALSE(invitation_of(typed)) << typed;
    EXPECT_NE(invitation_of("A" + letters.substr(1)), invitation_of("B" + letters.substr(1)));
}

TEST(invitation, is_never_made_twice)
{
    init_crypto();
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(seen.insert(make_invitation().code).second);
}

// The hash that a log holds must stay what it is.
TEST(invitation, has_the_same_id_for_ever)
{
    EXPECT_EQ(to_string(*invitation_of("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")), "b331da81-a2f7-6bd3-2031-fa7fa04f1b9e");
    EXPECT_EQ(invitation_of("aaaaa 88888 ccccc ddddd eeeee"), invitation_of("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"));
}

RC_GTEST_PROP(invitation, any_text_is_a_code_or_none, (const std::string& typed))
{
    const auto found = invitation_of(typed);
    RC_ASSERT(found.has_value() == (base32_letters(typed).size() == 25) || typed.contains("#invite="));
}

RC_GTEST_PROP(invitation, letters_in_groups_are_the_same_letters, (const std::vector<std::uint8_t>& data))
{
    const auto letters = base32_encode(data);
    RC_ASSERT(base32_letters(base32_groups(letters)) == letters);
}
