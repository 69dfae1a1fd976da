#include "consortium/common/base64.hpp"
#include "log/random_events.hpp"
#include "tables.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::postgres;

TEST(mirror_tables, content_is_what_base64_stands_for_and_else_the_text)
{
    EXPECT_EQ(content("AAEC/w==").hex, "\\x000102ff");
    EXPECT_EQ(content("AAEC/w==").size, 4u);
    EXPECT_EQ(content("").hex, "\\x");
    // No padding, and another text for the same bytes: not base64 as clients write it.
    EXPECT_EQ(content("AAEC/w").hex, "\\x414145432f77");
    EXPECT_EQ(content("AAEC/x==").size, 8u);
    EXPECT_EQ(content("plain \n\\x00").hex, "\\x706c61696e200a5c783030");
}

TEST(mirror_tables, text_has_no_nul)
{
    EXPECT_EQ(storable("plain"), "plain");
    EXPECT_EQ(
        storable(std::string("\0a\0\0b", 5)), "\xef\xbf\xbd"
                                              "a\xef\xbf\xbd\xef\xbf\xbd"
                                              "b");
}

// Goal: an event has rows in the tables of its subject alone, and a shredded one in none: what erases a subject's rows
// would not find others.
RC_GTEST_PROP(mirror_tables_property, an_event_has_rows_only_where_its_deletion_finds_them, ())
{
    const auto body = log::testing::random_body();
    log::event happened;
    happened.number = {7};
    happened.header.type = body.type;
    happened.header.rev = {3};
    happened.body = body.body;
    const auto known = log::describe(body.type);
    std::size_t rows = 0;
    all_tables::each(
        [&]<class Table>()
        {
            if constexpr (requires { typename Table::row_type; })
                if (Table::row(happened))
                {
                    ++rows;
                    RC_ASSERT(Table::about == known.about);
                    RC_ASSERT(!known.destroys_key());
                }
        });
    if (known.about == log::event_subject::machine && !known.destroys_key())
        RC_ASSERT(rows > 0u);
    happened.body.reset();
    all_tables::each(
        [&]<class Table>()
        {
            if constexpr (requires { typename Table::row_type; })
                RC_ASSERT(!Table::row(happened));
        });
}
