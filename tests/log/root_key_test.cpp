#include "consortium/common/hash.hpp"
#include "files.hpp"
#include "log/small_domain.hpp"
#include "root_key.hpp"
#include <algorithm>
#include <gtest/gtest.h>

namespace consortium::log
{
namespace
{

using testing::temporary_directory;

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";

class root_key_test : public ::testing::Test
{
protected:
    void SetUp() override
    {
        init_crypto();
        key = create_root_key(path, secret).value();
        file = read_file(path, 4096).value();
    }
    result<opened_root_key> open_altered(const bytes& altered, std::string_view with = secret)
    {
        EXPECT_TRUE(write_file(path, altered));
        return open_root_key(path, with);
    }

    temporary_directory place;
    std::filesystem::path path = place.path() / "root.key";
    std::optional<key256> key;
    bytes file;
};

TEST_F(root_key_test, opens_with_its_secret_alone)
{
    EXPECT_EQ(open_root_key(path, secret).value().key, *key);
    EXPECT_EQ(open_root_key(path, std::string(secret) + "\n").value().key, *key);
    EXPECT_EQ(open_root_key(path, std::string(secret) + "\n\n").error(), errc::wrong_secret);
    EXPECT_EQ(open_root_key(path, "0123456789abcdef0123456789abcdeF").error(), errc::wrong_secret);
    EXPECT_EQ(open_root_key(path, secret.substr(1)).error(), errc::bad_request);
}

TEST_F(root_key_test, is_readable_by_its_owner_alone)
{
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
}

// The rotation of the master secret fills the second slot first: there the key must be found too.
TEST_F(root_key_test, either_slot_may_hold_the_key)
{
    auto moved = bytes(file.size());
    std::copy(file.begin(), file.begin() + 256, moved.begin() + 256);
    EXPECT_EQ(open_altered(moved).value().key, *key);
    EXPECT_EQ(open_altered(moved, "another secret of sufficient length!").error(), errc::wrong_secret);
    moved[0] = 1; // a torn first slot
    moved[10] = 77;
    EXPECT_EQ(open_altered(moved).value().key, *key);
}

TEST_F(root_key_test, damage_is_not_taken_for_a_wrong_secret)
{
    // Version, costs, salt, nonce, wrapped key and checksum: one byte each.
    for (const std::size_t at : {1u, 5u, 9u, 13u, 29u, 60u, 101u, 103u})
    {
        auto altered = file;
        altered[at] ^= 0x40;
        EXPECT_EQ(open_altered(altered).error(), errc::corrupt) << at;
    }
    EXPECT_EQ(open_altered(bytes(file.begin(), file.end() - 1)).error(), errc::corrupt);
    EXPECT_EQ(open_altered(bytes(file.size())).error(), errc::corrupt);
    // Intact, but with costs that no derivation has, or that would take a gigabyte or hours.
    for (const auto& [at, value] :
         {std::pair{1u, 0u}, {1u, 7u}, {1u, 2u << 20}, {5u, 0u}, {5u, 17u}, {9u, 0u}, {9u, 2u}})
    {
        auto altered = file;
        std::ranges::copy(little_endian(value), altered.begin() + at);
        std::ranges::copy(little_endian(crc32c(byte_view(altered).first(101))), altered.begin() + 101);
        EXPECT_EQ(open_altered(altered).error(), errc::corrupt) << at << " " << value;
    }
    auto newer = file;
    newer[0] = 2;
    EXPECT_EQ(open_altered(newer).error(), errc::newer_version);
    std::filesystem::remove(path);
    EXPECT_EQ(open_root_key(path, secret).error(), errc::corrupt);
}

} // namespace
} // namespace consortium::log
