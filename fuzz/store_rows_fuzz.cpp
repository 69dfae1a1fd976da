#include "consortium/common/error.hpp"
#include "rocks_store.hpp"
#include "root_key.hpp"
#include "tile.hpp"
#include "witness.hpp"
#include <algorithm>

// What lies beside the records: the log's head, tiles of the tree, and the witness and the root key's slots with
// checksums that are right.
namespace
{

using namespace consortium;
using namespace consortium::log;

void read_head(byte_view input)
{
    const auto head = head_state::parse(input);
    if (!head)
        return;
    CONSORTIUM_ASSERT(std::ranges::equal(head->serialize(), input));
    // A damaged one may have any root; it must have one.
    static_cast<void>(head->tree.root());
    static_cast<void>(head->previous.root());
}

/// Slots of `input`, each of 72 bytes (magic, version, log id, generation, lsn, root) and a byte that says whether its
/// checksum shall fit.
void read_witness_of(byte_view input)
{
    constexpr std::size_t slot_bytes = 4096;
    constexpr std::size_t said_bytes = 8 + 4 + 16 + 8 + 8 + 32;
    bytes file;
    for (; input.size() > said_bytes && file.size() < 3 * slot_bytes; input = input.subspan(said_bytes + 1))
    {
        bytes slot = to_bytes(input.first(said_bytes));
        append(slot, little_endian(crc32c(slot) ^ (input[said_bytes] & 1)));
        slot.resize(slot_bytes);
        append(file, slot);
    }
    append(file, input);
    const auto found = parse_witness(file);
    if (!found)
        return;
    // It is what an intact slot says, and no intact slot says anything newer.
    bool stands = false;
    for (std::size_t at = 0; at + slot_bytes <= file.size() && at < 2 * slot_bytes; at += slot_bytes)
    {
        const auto slot = byte_view(file).subspan(at, slot_bytes);
        if (text(slot.first(8)) != "cnswtns\n" ||
            load_little_endian<std::uint32_t>(slot.subspan(said_bytes)) != crc32c(slot.first(said_bytes)))
            continue;
        const auto generation = load_little_endian<std::uint64_t>(slot.subspan(28));
        CONSORTIUM_ASSERT(generation <= found->generation);
        stands = stands || (generation == found->generation && to_array<32>(slot.subspan(44)) == found->root);
    }
    CONSORTIUM_ASSERT(stands);
}

/// A slot up to its checksum, which is made to fit, and whatever may follow it.
void read_root_key_slot(byte_view input)
{
    constexpr std::size_t said_bytes = 1 + 3 * 4 + 16 + 24 + 48;
    if (input.size() < said_bytes)
        return;
    auto slot = to_bytes(input.first(said_bytes));
    append(slot, little_endian(crc32c(slot)));
    append(slot, input.subspan(said_bytes));
    slot.resize(root_key_slot::size_bytes);
    const auto found = parse_slot(slot);
    CONSORTIUM_ASSERT(found || slot[0] != 1 || found.error() == errc::corrupt);
    if (!found)
        return;
    // No more than a gigabyte and some passes are ever spent on it.
    const auto& costs = found->derivation;
    CONSORTIUM_ASSERT(costs.memory_kib >= 8 && costs.memory_kib <= 1 << 20);
    CONSORTIUM_ASSERT(costs.passes >= 1 && costs.passes <= 16 && costs.lanes == 1);
    bytes again = to_bytes(found->authenticated);
    append(again, found->nonce);
    append(again, found->wrapped);
    CONSORTIUM_ASSERT(std::ranges::equal(again, input.first(said_bytes)));
    // A byte that differs from what was written is found.
    slot[input.back() % said_bytes] ^= 2;
    CONSORTIUM_ASSERT(!parse_slot(slot));
}

/// A tile: level u8, index u64be, count u8, hashes.
void read_tile(byte_view input)
{
    constexpr std::size_t prefix = 10;
    if (input.size() < prefix)
        return;
    const unsigned level = input[0] % 8u;
    const auto index = load_big_endian<std::uint64_t>(input.subspan(1)) >> tile_height;
    const std::size_t count = input[9] + std::size_t{1};
    const auto value = input.subspan(prefix);
    const auto hashes = parse_tile(level, index, value, count);
    CONSORTIUM_ASSERT(hashes.has_value() == (value.size() == count * 32));
    if (!hashes)
        return;
    CONSORTIUM_ASSERT(std::ranges::equal(tile_bytes(*hashes), value));
    // Every perfect subtree that it covers has the root of its hashes, and nothing else is given out.
    const tile read(*hashes);
    for (unsigned height = 0; height <= tile_height; ++height)
        for (std::size_t at = 0; at < tile_hashes_max >> height; ++at)
        {
            const auto node = read.node(height, at);
            const auto first = at << height;
            const auto last = first + (std::size_t{1} << height);
            CONSORTIUM_ASSERT(node.has_value() == (last <= count));
            if (!node || height > 3)
                continue;
            merkle::frontier tree;
            for (auto i = first; i < last; ++i)
                tree.append((*hashes)[i]);
            CONSORTIUM_ASSERT(*node == tree.root());
        }
}

/// How full a tile is in a tree of any size: level u8, index u64be, size u64be.
void measure_tile(byte_view input)
{
    if (input.size() < 17)
        return;
    const unsigned level = input[0] % 8u;
    const auto size = load_big_endian<std::uint64_t>(input.subspan(9));
    const auto last = (size >> (level * tile_height)) >> tile_height;
    const auto index = load_big_endian<std::uint64_t>(input.subspan(1)) % (last + 1);
    const auto held = tile_size(level, index, size);
    CONSORTIUM_ASSERT(index < last ? held == tile_hashes_max : held < tile_hashes_max);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    read_head(input);
    read_witness_of(input);
    read_root_key_slot(input);
    read_tile(input);
    measure_tile(input);
    return 0;
}
