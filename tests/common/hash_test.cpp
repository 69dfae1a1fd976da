#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include <gtest/gtest.h>

using namespace consortium;

TEST(hash, agrees_with_fips_180_4)
{
    EXPECT_EQ(
        hex_encode(sha256({view("a"), view("bc")})),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_encode(sha512({view("abc")})).substr(0, 32), "ddaf35a193617abacc417349ae204131");
}

TEST(hash, hmac_agrees_with_rfc_4231)
{
    EXPECT_EQ(
        hex_encode(hmac_sha256(view("Jefe"), {view("what do ya want "), view("for nothing?")})),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(
        hex_encode(hmac_sha512(view("Jefe"), {view("what do ya want for nothing?")})).substr(0, 32),
        "164b7a7bfcf819e2e395fbe73b56e0a3");
    const bytes long_key(131, 0xaa);
    EXPECT_EQ(
        hex_encode(hmac_sha256(long_key, {view("Test Using Larger Than Block-Size Key - Hash Key First")})),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(hash, crc32c_agrees_with_rfc_3720)
{
    EXPECT_EQ(crc32c(view("123456789")), 0xe3069283u);
    EXPECT_EQ(crc32c(bytes(32, 0)), 0x8a9136aau);
}
