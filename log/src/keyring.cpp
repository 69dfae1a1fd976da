#include "keyring.hpp"
#include "consortium/common/aead.hpp"

namespace consortium::log
{
namespace
{

constexpr std::size_t open_keys_max = 65'536;

// Rows: 'n' ‖ name, or 'd' ‖ stored id[16]. Values: 0x01 ‖ nonce[24] ‖ wrapped key[48], or 0x02 ‖ lsn u64be of the
// event that destroyed the key. Authenticated data of a wrapped key: its row key.
constexpr std::uint8_t value_wrapped = 1;
constexpr std::uint8_t value_destroyed = 2;

bytes named_row(std::string_view name)
{
    bytes out{'n'};
    append(out, name);
    return out;
}
byte_array<17> data_row(const stored_key_id& id) noexcept
{
    byte_array<17> out{'d'};
    std::memcpy(out.data() + 1, id.data(), id.size());
    return out;
}

bytes wrap(const key256& wrapping, byte_view row, const key256& key)
{
    bytes out{value_wrapped};
    append(out, xchacha_seal_with_nonce(wrapping, row, key.view()));
    return out;
}
result<key256> unwrap(const key256& wrapping, byte_view row, byte_view value)
{
    if (value.empty() || value[0] != value_wrapped)
        return fail(
            !value.empty() && value[0] > value_destroyed ? errc::newer_version : errc::corrupt,
            "a wrapped key is of an unknown form");
    auto plain = xchacha_open_with_nonce(wrapping, row, value.subspan(1));
    if (!plain || plain->size() != key256::size())
        return fail(errc::corrupt, "a wrapped key does not open");
    auto key = key256::from(*plain);
    wipe(*plain);
    return key;
}

} // namespace

keyring::keyring(const key256& root)
    : wrapping_key_(derive_key(root, {consortium::view("wrap")})), open_keys_(open_keys_max)
{
}

void keyring::derive()
{
    log_record_key_.emplace(log_key_);
    naming_key_.emplace(derive_key(log_key_, {consortium::view("key id")}).view());
}

std::unique_ptr<keyring> keyring::create(const key256& root, const rocks_store& store, rocksdb::WriteBatch& batch)
{
    std::unique_ptr<keyring> out(new keyring(root));
    const auto make = [&](std::string_view name)
    {
        const auto key = key256::random();
        const auto row = named_row(name);
        batch.Put(store.keys(), slice(row), slice(wrap(out->wrapping_key_, row, key)));
        return key;
    };
    out->log_key_ = make("log");
    out->view_key_ = make("view");
    out->relay_.token_seed = make("token");
    out->relay_.checkpoint_seed = make("checkpoint");
    out->derive();
    return out;
}

result<std::unique_ptr<keyring>> keyring::open(const key256& root, const rocks_store& store)
{
    std::unique_ptr<keyring> out(new keyring(root));
    struct named
    {
        std::string_view name;
        key256* key;
    };
    for (const auto& [name, key] : std::initializer_list<named>{
             {"log", &out->log_key_},
             {"view", &out->view_key_},
             {"token", &out->relay_.token_seed},
             {"checkpoint", &out->relay_.checkpoint_seed}})
    {
        const auto row = named_row(name);
        rocksdb::PinnableSlice value;
        const auto status = store.db().Get({}, store.keys(), slice(row), &value);
        if (!status.ok())
            return fail(
                errc::corrupt,
                "the " + std::string(name) + " key cannot be read from the key ring: " + status.ToString());
        auto opened = unwrap(out->wrapping_key_, row, log::view(value));
        if (!opened)
            return fail(opened.error().code, "the " + std::string(name) + " key: " + opened.error().detail);
        *key = std::move(*opened);
    }
    out->derive();
    return out;
}

stored_key_id keyring::stored_id(const key_id& scope) const
{
    return to_array<16>((*naming_key_)({scope.view()}));
}

key_state keyring::load(const rocks_store& store, const rocksdb::ReadOptions& options, const stored_key_id& id) const
{
    const auto row = data_row(id);
    rocksdb::PinnableSlice found;
    if (!get_row(store, options, store.keys(), row, found))
        return {};
    const auto value = log::view(found);
    if (value.size() == 9 && value[0] == value_destroyed)
        return {
            .what = key_state::kind::destroyed,
            .key = {},
            .destroyed_by = {load_big_endian<std::uint64_t>(value.subspan(1))}};
    auto key = unwrap(wrapping_key_, row, value);
    if (!key)
        throw log_failure(key.error());
    return {.what = key_state::kind::present, .key = sealing_key(*key), .destroyed_by = {}};
}

key_state keyring::find(const pinned_store& at, const stored_key_id& id)
{
    {
        const std::lock_guard lock(mutex_);
        if (const auto* key = open_keys_.find(id))
            return {.what = key_state::kind::present, .key = *key, .destroyed_by = {}};
    }
    auto state = load(at.store(), at.options(), id);
    if (state.what == key_state::kind::present)
    {
        // A snapshot from before a deletion still reads the key, but must not bring it back for later ones.
        const std::lock_guard lock(mutex_);
        if (at.key_generation() == generation_)
            open_keys_.put(id, *state.key);
    }
    return state;
}

void keyring::add(
    rocksdb::WriteBatch& batch, const rocks_store& store, const stored_key_id& id, const key256& key) const
{
    const auto row = data_row(id);
    batch.Put(store.keys(), slice(row), slice(wrap(wrapping_key_, row, key)));
}

void keyring::destroy(rocksdb::WriteBatch& batch, const rocks_store& store, const stored_key_id& id, lsn by)
{
    bytes value{value_destroyed};
    append(value, big_endian(by.value));
    batch.Put(store.keys(), slice(data_row(id)), slice(value));
}

void keyring::forget(std::span<const stored_key_id> ids)
{
    const std::lock_guard lock(mutex_);
    ++generation_;
    for (const auto& id : ids)
        open_keys_.erase(id);
}

std::uint64_t keyring::generation() const
{
    const std::lock_guard lock(mutex_);
    return generation_;
}

} // namespace consortium::log
