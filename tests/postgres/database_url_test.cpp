#include "consortium/postgres/database_url.hpp"
#include <gtest/gtest.h>

using namespace consortium;
using namespace consortium::postgres;

TEST(database_url, is_described_without_its_password)
{
    const auto whole = database_url::parse("postgresql://mirror:s3cr%40t@db.example:5433/chat?sslmode=verify-full");
    ASSERT_TRUE(whole.has_value()) << whole.error().detail;
    EXPECT_EQ(whole->value(), "postgresql://mirror:s3cr%40t@db.example:5433/chat?sslmode=verify-full");
    EXPECT_EQ(whole->description(), "database chat on db.example:5433 as mirror");
    EXPECT_EQ(database_url::parse("postgres://localhost/chat")->description(), "database chat on localhost");
    EXPECT_EQ(database_url::parse("postgresql:///chat")->description(), "database chat on this machine");
    const auto as_parameter = database_url::parse("postgresql://db/chat?user=mirror&password=s3cret");
    EXPECT_EQ(as_parameter->description(), "database chat on db as mirror");
}

// Whoever reads the message must not read the password in it, wherever the mistake is.
TEST(database_url, refuses_what_is_no_url_and_repeats_nothing_of_it)
{
    for (const auto* text :
         {"", "s3cret", "mysql://mirror:s3cret@db/chat", "postgresql:/mirror:s3cret@db/chat", "host=db password=s3cret",
          "postgresql://mirror:s3cret@db:54a/chat", "postgresql://mirror:s3cret@db:5432/chat?s3cret=1",
          "postgresql://mirror:s3cret%@db/chat", "postgresql://mirror:s3cret@[::1/chat",
          "postgresql://mirror:s3cret@db/%00", "postgresql://mirror:s3cret@db/chat?sslmode",
          "POSTGRESQL://mirror:s3cret@db/chat"})
    {
        const auto parsed = database_url::parse(text);
        ASSERT_FALSE(parsed.has_value()) << text;
        EXPECT_EQ(parsed.error(), errc::bad_request);
        EXPECT_TRUE(parsed.error().detail.starts_with("DATABASE_URL is malformed: ")) << parsed.error().detail;
        EXPECT_EQ(parsed.error().detail.find("s3cret"), std::string::npos) << parsed.error().detail;
    }
    EXPECT_FALSE(database_url::parse(std::string_view("postgresql://db/chat\0x", 22)).has_value());
}

TEST(database_url, describes_without_control_characters)
{
    const auto odd = database_url::parse("postgresql://mir%1bror@db/ch%0aat");
    ASSERT_TRUE(odd.has_value());
    EXPECT_EQ(odd->description().find_first_of("\x1b\n"), std::string::npos) << odd->description();
    EXPECT_TRUE(odd->description().starts_with("database ch")) << odd->description();
}
