#include "witness.hpp"
#include <cerrno>
#include <fcntl.h>
#include <optional>

namespace consortium::log
{
namespace
{

// Slot: magic[8], version u32le, log id[16], generation u64le, lsn u64le, root[32], CRC-32C u32le of all before, zeros.
constexpr std::size_t slot_bytes = 4096;
constexpr std::size_t slot_count = 2;
constexpr std::string_view magic = "cnswtns\n";
constexpr std::uint32_t slot_version = 1;
constexpr std::size_t crc_at = 8 + 4 + 16 + 8 + 8 + 32;
using slot_image = byte_array<slot_bytes>;

slot_image write_slot(const witness_state& state)
{
    bytes out;
    append(out, magic);
    append(out, little_endian(slot_version));
    append(out, state.id.view());
    append(out, little_endian(state.generation));
    append(out, little_endian(state.head.value));
    append(out, state.root);
    append(out, little_endian(crc32c(out)));
    slot_image slot{};
    std::memcpy(slot.data(), out.data(), out.size());
    return slot;
}

result<witness_state> read_slot(byte_view slot)
{
    if (text(slot.first(magic.size())) != magic ||
        crc32c(slot.first(crc_at)) != load_little_endian<std::uint32_t>(slot.subspan(crc_at)))
        return fail(errc::corrupt, "torn or empty");
    if (load_little_endian<std::uint32_t>(slot.subspan(8)) != slot_version)
        return fail(errc::newer_version, "the witness is of a newer version");
    return witness_state{
        .id = {to_array<16>(slot.subspan(12))},
        .generation = load_little_endian<std::uint64_t>(slot.subspan(28)),
        .head = {load_little_endian<std::uint64_t>(slot.subspan(36))},
        .root = to_array<32>(slot.subspan(44))};
}

} // namespace

result<witness_state> parse_witness(byte_view file)
{
    std::optional<witness_state> newest;
    for (std::size_t i = 0; i < slot_count && (i + 1) * slot_bytes <= file.size(); ++i)
    {
        const auto state = read_slot(file.subspan(i * slot_bytes, slot_bytes));
        if (!state && state.error() == errc::newer_version)
            return std::unexpected(state.error());
        if (state && (!newest || state->generation > newest->generation))
            newest = *state;
    }
    if (!newest)
        return fail(errc::corrupt, "neither of its two slots is intact");
    return *newest;
}

result<witness_state> read_witness(const std::filesystem::path& path)
{
    const auto file = read_file(path, slot_count * slot_bytes);
    if (!file)
        return std::unexpected(file.error());
    auto state = parse_witness(*file);
    if (!state)
        return fail(state.error().code, path.string() + ": " + state.error().detail);
    return state;
}

result<void> witness_file::create(const std::filesystem::path& path, const witness_state& first)
{
    bytes content(slot_count * slot_bytes);
    const auto slot = write_slot(first);
    std::memcpy(content.data() + (first.generation % slot_count) * slot_bytes, slot.data(), slot.size());
    return write_file(path, content);
}

result<witness_file>
witness_file::open(const std::filesystem::path& path, const witness_state& last, const seams& below)
{
    unique_fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
    {
        const auto saved = errno;
        return fail_errno("cannot open " + path.string(), saved);
    }
    return witness_file(std::move(file), last, below);
}

witness_file::witness_file(unique_fd file, const witness_state& last, seams below)
    : file_(std::move(file)), last_(last), below_(std::move(below))
{
}

result<void> witness_file::advance(lsn head, const digest256& root)
{
    last_.generation += 1;
    last_.head = head;
    last_.root = root;
    const auto slot = write_slot(last_);
    const auto start = static_cast<off_t>((last_.generation % slot_count) * slot_bytes);

    // Two writes only so that a test can stop between them; to the disk they are one slot, which is torn or whole.
    constexpr std::size_t first_part = 64;
    static_assert(first_part < crc_at);
    for (std::size_t done = 0; done < slot.size();)
    {
        const auto end = done < first_part ? first_part : slot.size();
        const auto written =
            below_.pwrite(file_.get(), slot.data() + done, end - done, start + static_cast<off_t>(done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
        {
            const auto saved = written < 0 ? errno : EIO;
            return fail_errno("cannot write the witness", saved);
        }
        done += static_cast<std::size_t>(written);
        if (done == first_part)
            below_.reached(crash_point::inside_witness);
    }
    if (below_.fdatasync(file_.get()) != 0)
    {
        const auto saved = errno;
        return fail_errno("cannot sync the witness", saved);
    }
    return {};
}

} // namespace consortium::log
