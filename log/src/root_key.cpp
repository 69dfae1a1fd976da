#include "root_key.hpp"
#include "consortium/common/aead.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include "files.hpp"
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sodium.h>

namespace consortium::log
{
namespace
{

// Slot: version u8, memory KiB u32le, passes u32le, lanes u32le, salt[16], nonce[24], wrapped key[48], CRC-32C u32le of
// all before, zeros. An empty slot is all zeros.
constexpr std::size_t slot_bytes = root_key_slot::size_bytes;
constexpr std::size_t slot_count = 2;
constexpr std::uint8_t slot_version = 1;
constexpr std::size_t salt_at = 13;
constexpr std::size_t nonce_at = salt_at + 16;
constexpr std::size_t wrapped_at = nonce_at + xchacha_nonce_bytes;
constexpr std::size_t crc_at = wrapped_at + 32 + aead_tag_bytes;

static_assert(crypto_pwhash_argon2id_SALTBYTES == 16);

/// The second choice of OWASP's password storage guidance; libsodium computes one lane only.
constexpr root_key_slot::costs costs_now{.memory_kib = 19 * 1024, .passes = 2, .lanes = 1};
/// More than any version of ours asks for: a damaged slot must not cost gigabytes.
constexpr std::uint32_t memory_kib_max = 1024 * 1024;
constexpr std::uint32_t passes_max = 16;
constexpr auto memory_kib_min = static_cast<std::uint32_t>(crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024);
constexpr auto passes_min = static_cast<std::uint32_t>(crypto_pwhash_argon2id_OPSLIMIT_MIN);
constexpr std::size_t secret_file_bytes_max = 4096;

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

result<key256> stretch(std::string_view master_secret, byte_view salt, const root_key_slot::costs& costs)
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
    bytes slot;
    slot.reserve(slot_bytes);
    slot.push_back(slot_version);
    append(slot, little_endian(costs_now.memory_kib));
    append(slot, little_endian(costs_now.passes));
    append(slot, little_endian(costs_now.lanes));
    append(slot, salt);
    const auto nonce = random_array<xchacha_nonce_bytes>();
    const auto authenticated = to_bytes(slot);
    append(slot, nonce);
    xchacha_seal(slot, wrapping, nonce, authenticated, root.view());
    append(slot, little_endian(crc32c(slot)));
    slot.resize(slot_bytes);
    return slot;
}

/// errc::corrupt: look at the other one.
result<key256> open_slot(byte_view bytes_of_slot, std::string_view master_secret)
{
    const auto slot = parse_slot(bytes_of_slot);
    if (!slot)
        return std::unexpected(slot.error());
    const auto wrapping = stretch(master_secret, slot->salt, slot->derivation);
    if (!wrapping)
        return std::unexpected(wrapping.error());
    auto root = xchacha_open(*wrapping, slot->nonce, slot->authenticated, slot->wrapped);
    if (!root)
        return fail(errc::wrong_secret, "the master secret is not the one this log was made with");
    auto key = key256::from(*root);
    wipe(*root);
    return key;
}

struct found_slot
{
    key256 key;
    std::size_t index = 0;
    bool other_is_empty = true;
};

/// The slot that `secret` (trimmed) opens.
result<found_slot> find_slot(const std::filesystem::path& path, std::string_view secret)
{
    const auto file = read_file(path, slot_count * slot_bytes);
    if (!file)
        return fail(
            file.error().code == errc::not_found ? errc::corrupt : file.error().code,
            file.error().detail + ": without it nothing in this log can be read; restore it from a backup");
    if (file->size() != slot_count * slot_bytes)
        return fail(errc::corrupt, path.string() + " has the wrong size; restore it from a backup");

    // The rotation of the master secret fills the free slot before it clears the other: either may be the good one.
    const auto slot = [&](std::size_t index) { return byte_view(*file).subspan(index * slot_bytes, slot_bytes); };
    std::optional<error> why;
    for (std::size_t i = 0; i < slot_count; ++i)
    {
        auto root = open_slot(slot(i), secret);
        if (root)
            return found_slot{
                .key = std::move(*root),
                .index = i,
                .other_is_empty = std::ranges::all_of(slot(1 - i), [](std::uint8_t byte) { return byte == 0; })};
        if (!why || why->code == errc::corrupt)
            why = root.error();
    }
    why->detail = path.string() + ": " + why->detail;
    if (why->code == errc::corrupt)
        why->detail += "; restore it from a backup";
    return std::unexpected(*why);
}

/// Overwrites one slot in place, durably. A crash within tears this slot alone: the other keeps its bytes.
result<void>
put_slot(const std::filesystem::path& path, std::size_t index, byte_view slot, const seams& below, crash_point inside)
{
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
    {
        const auto saved = errno;
        return fail_errno("cannot open " + path.string(), saved);
    }
    // Two writes only so that a test can stop between them.
    constexpr std::size_t first_part = 64;
    static_assert(first_part < crc_at);
    for (std::size_t done = 0; done < slot.size();)
    {
        const auto end = done < first_part ? first_part : slot.size();
        const auto written =
            below.pwrite(file.get(), slot.data() + done, end - done, static_cast<off_t>(index * slot_bytes + done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
        {
            const auto saved = written < 0 ? errno : EIO;
            return fail_errno("cannot write " + path.string(), saved);
        }
        done += static_cast<std::size_t>(written);
        if (done == first_part)
            below.reached(inside);
    }
    if (below.fdatasync(file.get()) != 0)
    {
        const auto saved = errno;
        return fail_errno("cannot sync " + path.string(), saved);
    }
    return {};
}

/// The file that shall be replaced; a link stays and what it names is replaced. It must hold the secret that goes:
/// nothing else is ever overwritten by a slip of the pen.
result<std::filesystem::path> secret_to_replace(const std::filesystem::path& named, std::string_view old_secret)
{
    std::error_code bad;
    const auto path = std::filesystem::canonical(named, bad);
    if (bad)
        return fail(errc::not_found, named.string() + ": " + bad.message());
    auto content = read_file(path, secret_file_bytes_max);
    if (!content)
        return std::unexpected(content.error());
    const auto held = trimmed(text(*content));
    const bool same = held && *held == old_secret;
    wipe(*content);
    if (!same)
        return fail(
            errc::wrong_secret, path.string() + " does not hold the master secret that shall be replaced: nothing was "
                                                "changed");
    return path;
}

result<void> replace_secret(const std::filesystem::path& path, std::string_view new_secret, const seams& below)
{
    auto fresh = path;
    fresh += ".new";
    auto content = to_bytes(view(new_secret));
    content.push_back('\n');
    const auto written = write_file(fresh, content);
    wipe(content);
    if (!written)
        return written;
    below.reached(crash_point::new_secret_written);
    std::error_code bad;
    std::filesystem::rename(fresh, path, bad);
    if (bad)
        return fail(errc::io, "cannot replace " + path.string() + ": " + bad.message());
    return sync_directory(path.parent_path());
}

} // namespace

result<root_key_slot> parse_slot(byte_view slot)
{
    if (slot[0] > slot_version)
        return fail(errc::newer_version, "root key is of a newer version");
    if (slot[0] != slot_version ||
        crc32c(slot.first(crc_at)) != load_little_endian<std::uint32_t>(slot.subspan(crc_at)))
        return fail(errc::corrupt, "root key slot is empty or damaged");
    const root_key_slot out{
        .derivation =
            {.memory_kib = load_little_endian<std::uint32_t>(slot.subspan(1)),
             .passes = load_little_endian<std::uint32_t>(slot.subspan(5)),
             .lanes = load_little_endian<std::uint32_t>(slot.subspan(9))},
        .salt = slot.subspan(salt_at, nonce_at - salt_at),
        .nonce = slot.subspan(nonce_at, xchacha_nonce_bytes),
        .wrapped = slot.subspan(wrapped_at, crc_at - wrapped_at),
        .authenticated = slot.first(nonce_at)};
    const auto& costs = out.derivation;
    if (costs.memory_kib < memory_kib_min || costs.memory_kib > memory_kib_max || costs.passes < passes_min ||
        costs.passes > passes_max || costs.lanes != 1)
        return fail(errc::corrupt, "root key slot asks for an impossible key derivation");
    return out;
}

result<key256> create_root_key(const std::filesystem::path& path, std::string_view master_secret)
{
    const auto secret = trimmed(master_secret);
    if (!secret)
        return std::unexpected(secret.error());
    const auto salt = random_array<16>();
    const auto wrapping = stretch(*secret, salt, costs_now);
    if (!wrapping)
        return std::unexpected(wrapping.error());
    auto root = key256::random();
    auto file = write_slot(root, *wrapping, salt);
    file.resize(slot_count * slot_bytes);
    if (auto written = write_file(path, file); !written)
        return std::unexpected(written.error());
    return root;
}

result<opened_root_key> open_root_key(const std::filesystem::path& path, std::string_view master_secret)
{
    const auto secret = trimmed(master_secret);
    if (!secret)
        return std::unexpected(secret.error());
    auto found = find_slot(path, *secret);
    if (!found)
        return std::unexpected(found.error());
    return opened_root_key{.key = std::move(found->key), .rotation_unfinished = !found->other_is_empty};
}

result<void> rewrap_root_key(
    const std::filesystem::path& path, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file, const seams& below)
{
    const bytes nothing(slot_bytes);
    const auto from = trimmed(old_secret);
    if (!from)
        return std::unexpected(from.error());
    const auto to = trimmed(new_secret);
    if (!to)
        return fail(to.error().code, "the new one: " + to.error().detail);
    if (*from == *to)
        return fail(errc::bad_request, "the new master secret is the old one");
    const auto live = find_slot(path, *from);
    if (!live && live.error() == errc::wrong_secret && !secret_file)
        // Done before, perhaps by a process that ended before it could say so.
        if (const auto done = find_slot(path, *to); done)
            return done->other_is_empty ? result<void>()
                                        : put_slot(path, 1 - done->index, nothing, below, crash_point::inside_old_slot);
    if (!live)
        return std::unexpected(live.error());
    std::optional<std::filesystem::path> replaced;
    if (secret_file)
    {
        auto found = secret_to_replace(*secret_file, *from);
        if (!found)
            return std::unexpected(found.error());
        replaced = std::move(*found);
    }

    // Whatever the other slot holds, the secret in use does not open it: what is left of a rotation that ended early.
    const auto salt = random_array<16>();
    const auto wrapping = stretch(*to, salt, costs_now);
    if (!wrapping)
        return std::unexpected(wrapping.error());
    const auto fresh = write_slot(live->key, *wrapping, salt);
    if (auto put = put_slot(path, 1 - live->index, fresh, below, crash_point::inside_new_slot); !put)
        return put;
    below.reached(crash_point::new_slot_written);
    if (const auto check = find_slot(path, *to); !check || check->key != live->key)
        return fail(errc::io, path.string() + " does not read back as it was written; the old master secret stays");
    if (replaced)
    {
        if (auto done = replace_secret(*replaced, *to, below); !done)
            return done;
        below.reached(crash_point::secret_replaced);
    }
    if (auto cleared = put_slot(path, live->index, nothing, below, crash_point::inside_old_slot); !cleared)
        return fail(
            cleared.error().code, cleared.error().detail +
                                      ". The new master secret is in force, but the old one still opens the log: free "
                                      "the disk and rotate once more.");
    below.reached(crash_point::old_slot_cleared);
    return {};
}

std::string make_master_secret()
{
    init_crypto();
    return base64url_encode(key256::random().view());
}

result<void> rekey(
    const std::filesystem::path& directory, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file)
{
    return rekey_over(directory, old_secret, new_secret, secret_file, {});
}

result<void> rekey_over(
    const std::filesystem::path& directory, std::string_view old_secret, std::string_view new_secret,
    const std::optional<std::filesystem::path>& secret_file, const seams& below)
{
    init_crypto();
    const auto lock = lock_directory(directory);
    if (!lock)
        return std::unexpected(lock.error());
    return rewrap_root_key(directory / "root.key", old_secret, new_secret, secret_file, below);
}

} // namespace consortium::log
