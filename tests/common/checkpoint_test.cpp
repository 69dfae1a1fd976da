#include "consortium/common/base64.hpp"
#include "consortium/common/checkpoint.hpp"
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace consortium;

namespace
{

const ed25519_key& log_key()
{
    static const auto key = ed25519_key::from_seed(key256(byte_array<32>{7}));
    return key;
}

checkpoint sample()
{
    return {.origin = "consortium.example/log", .size = 8412, .root = sha256({view("root")})};
}

note::verifier verifier_of(const std::string& name)
{
    return {name, log_key().public_key()};
}

} // namespace

// The example of the format's reference implementation.
TEST(signed_note, agrees_with_the_reference_implementation)
{
    const auto by = note::verifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").value();
    EXPECT_EQ(by.name, "PeterNeumann");
    EXPECT_EQ(by.text(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    const std::string text = "If you think cryptography is the answer to your problem,\n"
                             "then you don't know what your problem is.\n";
    EXPECT_EQ(
        note::open(
            text + "\n— PeterNeumann "
                   "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
            by)
            .value(),
        text);
}

TEST(checkpoint, what_was_signed_opens_for_its_log_alone)
{
    const auto signed_note = sign_checkpoint(sample(), log_key());
    EXPECT_TRUE(signed_note.starts_with("consortium.example/log\n8412\n"));
    EXPECT_EQ(open_checkpoint(signed_note, verifier_of("consortium.example/log")).value(), sample());
    EXPECT_EQ(open_checkpoint(signed_note, verifier_of("another.example/log")).error(), errc::corrupt);
    EXPECT_EQ(
        open_checkpoint(signed_note, {"consortium.example/log", ed25519_key::random().public_key()}).error(),
        errc::corrupt);
    // Signed by the log, but as another one's text.
    const auto foreign = note::sign(sample().text(), "another.example/log", log_key());
    EXPECT_EQ(open_checkpoint(foreign, verifier_of("another.example/log")).error(), errc::corrupt);
}

TEST(checkpoint, signatures_of_others_are_passed_over)
{
    const auto mine = sign_checkpoint(sample(), log_key());
    const auto theirs = note::sign(sample().text(), "witness.example", ed25519_key::random());
    const auto line = theirs.substr(theirs.rfind("\n\n") + 2);
    EXPECT_TRUE(open_checkpoint(mine + line, verifier_of("consortium.example/log")));
}

TEST(checkpoint, has_one_text)
{
    const auto root = base64_encode(sample().root);
    EXPECT_TRUE(checkpoint::parse("a\n0\n" + root + "\n"));
    EXPECT_TRUE(checkpoint::parse("a\n0\n" + root + "\nextension\n"));
    for (const auto& text :
         {std::string(), std::string("a\n0\n"), "a\n00\n" + root + "\n", "a\n+1\n" + root + "\n",
          "a\n-1\n" + root + "\n", "\n1\n" + root + "\n", "a\n1\n" + root, "a\n18446744073709551616\n" + root + "\n",
          std::string("a\n1\nAAAA\n"), "a\n1\n" + root.substr(1) + "\n"})
        EXPECT_EQ(checkpoint::parse(text).error(), errc::bad_request) << text;
}

RC_GTEST_PROP(checkpoint, no_changed_or_cut_note_opens, ())
{
    const auto good = sign_checkpoint(sample(), log_key());
    const auto by = verifier_of("consortium.example/log");
    auto changed = good;
    const auto at = *rc::gen::inRange<std::size_t>(0, changed.size());
    changed[at] = static_cast<char>(changed[at] ^ (1 << *rc::gen::inRange(0, 7)));
    RC_ASSERT(!open_checkpoint(changed, by));
    RC_ASSERT(!open_checkpoint(std::string_view(good).substr(0, *rc::gen::inRange<std::size_t>(0, good.size())), by));
}
