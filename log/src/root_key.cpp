#include "root_key.hpp"
#include "consortium/common/aead.hpp"
#include "consortium/common/hash.hpp"
#include "files.hpp"
#include <sodium.h>

namespace consortium::log
{
namespace
{

// Slot: version u8, memory KiB u32le, passes u32le, lanes u32le, salt[16], nonce[24], wrapped key[48], CRC-32C u32le of
// all before, zeros. An empty slot is all zeros.
constexpr std::size_t slot_bytes = 256;
constexpr std::size_t slot_count = 2;
constexpr std::uint8_t slot_version = 1;
constexpr std::size_t salt_at = 13;
constexpr std::size_t nonce_at = salt_at + 16;
constexpr std::size_t wrapped_at = nonce_at + xchacha_nonce_bytes;
constexpr std::size_t crc_at = wrapped_at + 32 + aead_tag_bytes;

static_assert(crypto_pwhash_argon2id_SALTBYTES == 16);

/// RFC 9106 names them m, t and p; the values are the second choice of OWASP's password storage guidance.
struct argon_costs
{
    std::uint32_t memory_kib = 19 * 1024;
    std::uint32_t passes = 2;
    std::uint32_t lanes = 1; ///< libsodium computes one lane only
};
/// More than any version of ours asks for: a damaged slot must not cost gigabytes.
constexpr std::uint32_t memory_kib_max = 1024 * 1024;
constexpr std::uint32_t passes_max = 16;

result<std::string_view> trimmed(std::string_view master_secret)
{
    if (master_secret.ends_with('\n'))
        master_secret.remove_suffix(1);
    if (master_secret.size() < master_secret_bytes_min)
        return fail(
            errc::bad_request, "the master secret has " + std::to_string(master_secret.size()) +
                                   " characters; it needs at least " + std::to_string(master_secret_bytes_min));
    return master_secret;
}

result<key256> stretch(std::string_view master_secret, byte_view salt, const argon_costs& costs)
{
    key256 out;
    if (crypto_pwhash(
            out.writable().data(), out.size(), master_secret.data(), master_secret.size(), salt.data(), costs.passes,
            std::size_t{costs.memory_kib} * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return fail(errc::io, "not enough memory to derive a key from the master secret");
    return out;
}

bytes write_slot(const key256& root, const key256& wrapping, byte_view salt)
{
    const argon_costs costs;
    bytes slot;
    slot.reserve(slot_bytes);
    slot.push_back(slot_version);
    append(slot, little_endian(costs.memory_kib));
    append(slot, little_endian(costs.passes));
    append(slot, little_endian(costs.lanes));
    append(slot, salt);
    const auto nonce = random_array<xchacha_nonce_bytes>();
    const auto authenticated = to_bytes(slot);
    append(slot, nonce);
    xchacha_seal(slot, wrapping, nonce, authenticated, root.view());
    append(slot, little_endian(crc32c(slot)));
    slot.resize(slot_bytes);
    return slot;
}

/// errc::corrupt: torn or empty, look at the other one.
result<key256> open_slot(byte_view slot, std::string_view master_secret)
{
    if (slot[0] > slot_version)
        return fail(errc::newer_version, "root key is of a newer version");
    if (slot[0] != slot_version ||
        crc32c(slot.first(crc_at)) != load_little_endian<std::uint32_t>(slot.subspan(crc_at)))
        return fail(errc::corrupt, "root key slot is empty or damaged");
    const argon_costs costs{
        .memory_kib = load_little_endian<std::uint32_t>(slot.subspan(1)),
        .passes = load_little_endian<std::uint32_t>(slot.subspan(5)),
        .lanes = load_little_endian<std::uint32_t>(slot.subspan(9))};
    if (costs.memory_kib > memory_kib_max || costs.passes > passes_max || costs.lanes != 1)
        return fail(errc::corrupt, "root key slot asks for an impossible key derivation");
    const auto wrapping = stretch(master_secret, slot.subspan(salt_at, 16), costs);
    if (!wrapping)
        return std::unexpected(wrapping.error());
    auto root = xchacha_open(
        *wrapping, slot.subspan(nonce_at, xchacha_nonce_bytes), slot.first(nonce_at),
        slot.subspan(wrapped_at, 32 + aead_tag_bytes));
    if (!root)
        return fail(errc::wrong_secret, "the master secret is not the one this log was made with");
    auto key = key256::from(*root);
    wipe(*root);
    return key;
}

} // namespace

result<key256> create_root_key(const std::filesystem::path& path, std::string_view master_secret)
{
    const auto secret = trimmed(master_secret);
    if (!secret)
        return std::unexpected(secret.error());
    const auto salt = random_array<16>();
    const auto wrapping = stretch(*secret, salt, {});
    if (!wrapping)
        return std::unexpected(wrapping.error());
    auto root = key256::random();
    auto file = write_slot(root, *wrapping, salt);
    file.resize(slot_count * slot_bytes);
    if (auto written = write_file(path, file); !written)
        return std::unexpected(written.error());
    return root;
}

result<key256> open_root_key(const std::filesystem::path& path, std::string_view master_secret)
{
    const auto secret = trimmed(master_secret);
    if (!secret)
        return std::unexpected(secret.error());
    const auto file = read_file(path, slot_count * slot_bytes);
    if (!file)
        return fail(
            file.error().code == errc::not_found ? errc::corrupt : file.error().code,
            file.error().detail + ": without it nothing in this log can be read; restore it from a backup");
    if (file->size() != slot_count * slot_bytes)
        return fail(errc::corrupt, path.string() + " has the wrong size; restore it from a backup");

    // The rotation of the master secret fills the second slot before it clears the first: either may be the good one.
    std::optional<error> why;
    for (std::size_t i = 0; i < slot_count; ++i)
    {
        auto root = open_slot(byte_view(*file).subspan(i * slot_bytes, slot_bytes), *secret);
        if (root)
            return root;
        if (!why || why->code == errc::corrupt)
            why = root.error();
    }
    why->detail = path.string() + ": " + why->detail;
    return std::unexpected(*why);
}

} // namespace consortium::log
