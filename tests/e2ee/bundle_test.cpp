#include "consortium/common/base64.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "e2ee/run_of.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::e2ee;

namespace
{

const bundle_place place{"acc", "sid", "message"};

} // namespace

TEST(e2ee_bundle, version_1_agrees_with_the_vector)
{
    const auto sealed =
        bundle_seal(key_of(0x80), place, run_of<16>(0x30), run_of<12>(0x20), view(R"({"a":1})")).value();
    EXPECT_EQ(base64_encode(sealed), "ATAxMjM0NTY3ODk6Ozw9Pj8gISIjJCUmJygpKivgnLqmbAnNyYJbdpZGK7olwEDWzuUAQA==");
    const auto opened = bundle_open(key_of(0x80), place, sealed).value();
    EXPECT_EQ(opened.id, run_of<16>(0x30));
    EXPECT_EQ(text(opened.plain), R"({"a":1})");
    EXPECT_EQ(bundle_claimed_id(sealed).value(), run_of<16>(0x30));
}

TEST(e2ee_bundle, version_0_agrees_with_the_vectors)
{
    const auto sealed = *base64_decode("ACAhIiMkJSYnKCkqK+CcuqZsCc0bhXlOOptAaJ+uHkjByRdf");
    EXPECT_EQ(bundle_v0_seal(key_of(0x80), run_of<12>(0x20), view(R"({"a":1})")), sealed);
    EXPECT_EQ(text(bundle_v0_open(key_of(0x80), sealed).value()), R"({"a":1})");
    const auto empty = *base64_decode("ACAhIiMkJSYnKCkqK/nF7XBrZLi6Fqlr0vVrfOk=");
    EXPECT_EQ(bundle_v0_seal(key_of(0x80), run_of<12>(0x20), {}), empty);
    EXPECT_TRUE(bundle_v0_open(key_of(0x80), empty).value().empty());
    EXPECT_FALSE(bundle_open(key_of(0x80), place, sealed));
}

// Goal: a relay that moves an authentic bundle to another account, session or purpose is found out.
TEST(e2ee_bundle, opens_in_its_own_place_only)
{
    const auto key = key256::random();
    const auto sealed = bundle_seal(key, place, random_array<16>(), view("hello")).value();
    EXPECT_TRUE(bundle_open(key, place, sealed));
    EXPECT_FALSE(bundle_open(key, {"other", "sid", "message"}, sealed));
    EXPECT_FALSE(bundle_open(key, {"acc", "other", "message"}, sealed));
    EXPECT_FALSE(bundle_open(key, {"acc", "sid", "prompt"}, sealed));
    EXPECT_FALSE(bundle_open(key, {"accs", "id", "message"}, sealed));
    EXPECT_FALSE(bundle_open(key256::random(), place, sealed));
}

TEST(e2ee_bundle, refuses_places_that_could_be_taken_for_another)
{
    const auto key = key256::random();
    for (const auto& bad :
         {bundle_place{"", "sid", "message"}, bundle_place{"acc", "", "message"}, bundle_place{"acc", "sid", ""},
          bundle_place{"acc", "s d", "message"}, bundle_place{std::string("a\0c", 3), "sid", "message"},
          bundle_place{"acc", "sid", "m\x7f"}})
        EXPECT_EQ(bundle_seal(key, bad, random_array<16>(), view("x")).error(), errc::bad_request);
}

RC_GTEST_PROP(e2ee_bundle, opens_only_whole_and_unchanged, (const bytes& plain))
{
    const auto key = key256::random();
    const auto id = random_array<16>();
    const auto sealed = bundle_seal(key, place, id, plain).value();
    const auto opened = bundle_open(key, place, sealed).value();
    RC_ASSERT(opened.id == id);
    RC_ASSERT(opened.plain == plain);

    auto changed = sealed;
    changed[*rc::gen::inRange<std::size_t>(0, changed.size())] ^=
        static_cast<std::uint8_t>(1u << *rc::gen::inRange(0, 8));
    RC_ASSERT(!bundle_open(key, place, changed));
    RC_ASSERT(!bundle_open(key, place, byte_view(sealed).first(*rc::gen::inRange<std::size_t>(0, sealed.size()))));
}

RC_GTEST_PROP(e2ee_bundle, arbitrary_bytes_never_open, (const bytes& data))
{
    RC_ASSERT(!bundle_open(key_of(1), place, data));
    RC_ASSERT(!bundle_v0_open(key_of(1), data));
}
