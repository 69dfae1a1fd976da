#include "consortium/common/base64.hpp"
#include "log/random_events.hpp"
#include "tables.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::postgres;

TEST(mirror_tables, content_is_what_base64_stands_for_and_else_the_text)
{
    const auto raw = [](std::string_view text) { return hex_encode(content(text).raw); };
    EXPECT_EQ(raw("AAEC/w=="), "000102ff");
    EXPECT_EQ(raw(""), "");
    // No padding, and another text for the same bytes: not base64 as clients write it.
    EXPECT_EQ(raw("AAEC/w"), "414145432f77");
    EXPECT_EQ(content("AAEC/x==").raw.size(), 8u);
    EXPECT_EQ(raw("plain \n\\x00"), "706c61696e200a5c783030");
}

// Goal: what is base64 is decided as everywhere else. Method: texts of a client's and their near relatives, each
// changed in one place.
RC_GTEST_PROP(mirror_tables_property, what_is_base64_is_what_base64_decode_takes, (const bytes& data))
{
    auto text = base64_encode(data);
    if (!text.empty() && *rc::gen::arbitrary<bool>())
    {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        switch (*rc::gen::inRange(0, 3))
        {
        case 0:
            text[at] = *rc::gen::elementOf(std::string("A/+=-_ \n\t\0\xff", 11));
            break;
        case 1:
            text.erase(at, 1);
            break;
        default:
            text.insert(at, 1, *rc::gen::elementOf(std::string("A= \n", 4)));
        }
    }
    const auto decoded = base64_decode(text);
    RC_ASSERT(content(text).raw == (decoded ? *decoded : to_bytes(view(text))));
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
