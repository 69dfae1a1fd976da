#include "bare.hpp"
#include "consortium/projections/views.hpp"
#include "event_codec.hpp"
#include "measuring.hpp"
#include "record_codec.hpp"
#include <algorithm>

namespace consortium::bench
{
namespace
{

constexpr std::size_t number_row_bytes = 16 + 1 + 4; ///< a sealed row of one number of four bytes
constexpr std::size_t hot_row_bytes = 16 + 1 + 4 + 6 + 1 + 6 + 16;
constexpr std::size_t head_bytes = 600;

log::table_id table_named(std::string_view name)
{
    const auto names = projections::rules().tables();
    const auto found = std::ranges::find(names, name);
    if (found == names.end())
        throw std::runtime_error("no view table " + std::string(name));
    return static_cast<log::table_id>(found - names.begin());
}

} // namespace

std::size_t record_extra_bytes()
{
    log::body_encoder encoder;
    const log::message_appended body{.id = {}, .local_id = "00000000-0000-4000-8000-000000000000", .content = "AAAA"};
    return log::record_overhead_bytes + encoder.encode(body).size() - 3;
}

bare_store::bare_store(const std::filesystem::path& directory, bare_shape shape)
    : shape_(shape),
      record_(shape.payload_bytes + record_extra_bytes()),
      row_(number_row_bytes),
      hot_row_(hot_row_bytes),
      head_(head_bytes)
{
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory / "db");
    store_ = need(
        log::rocks_store::open(directory / "db", log::store_access::create, projections::rules().tables(), nullptr),
        "cannot make a bare store");
    if (shape.witness)
    {
        const auto path = directory / "witness";
        need(log::witness_file::create(path, {}), "cannot make a witness");
        witness_ = need(log::witness_file::open(path, {}, {}), "cannot open a witness");
    }
    for (auto* data : {&record_, &row_, &hot_row_, &head_})
        fill_random(*data);
}

void bare_store::write(std::size_t records)
{
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < records; ++i)
    {
        const auto key = big_endian(++number_);
        batch.Put(store_->log(), log::slice(key), log::slice(record_));
    }
    if (shape_.view_rows)
        for (std::size_t i = 0; i < records; ++i)
            put_rows(batch);
    if (shape_.view_rows)
    {
        byte_array<32> key{};
        for (std::size_t i = 0; i < std::min(shape_.sessions, records); ++i)
        {
            key[0] = static_cast<std::uint8_t>(i);
            batch.Put(
                store_->view(table_named("account_head")), log::slice(byte_view(key).first(16)), log::slice(row_));
            batch.Put(store_->view(table_named("session_hot")), log::slice(key), log::slice(hot_row_));
        }
        batch.Put(store_->meta(), "head", log::slice(head_));
    }
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = store_->db().Write(durable, &batch); !status.ok())
        throw std::runtime_error(status.ToString());
    if (witness_)
        need(witness_->advance({number_}, {}), "cannot advance the witness");
}

/// A message's own rows: two that go behind the last of their session, one anywhere in it.
void bare_store::put_rows(rocksdb::WriteBatch& batch)
{
    static const auto revision = table_named("revision");
    static const auto message = table_named("message");
    static const auto local_id = table_named("local_id");
    byte_array<32> key{};
    key[0] = static_cast<std::uint8_t>(rows_ % shape_.sessions);
    const auto place = big_endian(++rows_);
    std::memcpy(key.data() + 16, place.data(), 8);
    batch.Put(store_->view(revision), log::slice(byte_view(key).first(24)), log::slice(row_));
    batch.Put(store_->view(message), log::slice(byte_view(key).first(24)), log::slice(row_));
    const auto anywhere = big_endian(random_());
    std::memcpy(key.data() + 16, anywhere.data(), 8);
    batch.Put(store_->view(local_id), log::slice(key), log::slice(row_));
}

} // namespace consortium::bench
