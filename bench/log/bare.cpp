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
constexpr std::uint64_t run_length = 64;
constexpr std::size_t run_row_bytes = 16 + 1 + 4 + run_length / 2; ///< sealed, half full
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
      run_row_(run_row_bytes),
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
    for (auto* data : {&record_, &row_, &hot_row_, &run_row_, &head_})
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
    {
        put_rows(batch, records);
        batch.Put(store_->meta(), "head", log::slice(head_));
    }
    rocksdb::WriteOptions durable;
    durable.sync = true;
    if (const auto status = store_->db().Write(durable, &batch); !status.ok())
        throw std::runtime_error(status.ToString());
    if (witness_)
        need(witness_->advance({number_}, {}), "cannot advance the witness");
}

/// What the messages of a batch leave in the views: each a row of its own, anywhere in its session, and for every run
/// of places that they touched one row of the session and one of the account.
void bare_store::put_rows(rocksdb::WriteBatch& batch, std::size_t records)
{
    static const auto local_id = table_named("local_id");
    byte_array<32> key{};
    for (std::size_t i = 0; i < records; ++i)
    {
        key[0] = static_cast<std::uint8_t>(i % shape_.sessions);
        const auto anywhere = big_endian(random_());
        std::memcpy(key.data() + 16, anywhere.data(), 8);
        batch.Put(store_->view(local_id), log::slice(key), log::slice(row_));
    }
    const auto sessions = std::min(shape_.sessions, records);
    for (std::size_t session = 0; session < sessions; ++session)
    {
        key[0] = static_cast<std::uint8_t>(session);
        const auto last = number_ / shape_.sessions / run_length;
        const auto touched = records / sessions / run_length + 1;
        for (std::size_t run = 0; run < touched; ++run)
        {
            const auto place = big_endian(last - std::min<std::uint64_t>(last, run));
            std::memcpy(key.data() + 16, place.data(), 8);
            for (const auto* name : {"revision_run", "message_run"})
                batch.Put(store_->view(table_named(name)), log::slice(byte_view(key).first(24)), log::slice(run_row_));
        }
        batch.Put(store_->view(table_named("account_head")), log::slice(byte_view(key).first(16)), log::slice(row_));
        batch.Put(store_->view(table_named("session_hot")), log::slice(key), log::slice(hot_row_));
    }
}

} // namespace consortium::bench
