#pragma once
#include "server_connection.hpp"
#include "tables.hpp"
#include <pqxx/transaction_base>
#include <span>
#include <string_view>

namespace consortium::postgres
{

/// Rows for one table by COPY in its binary form (PostgreSQL 15's manual, COPY, "Binary Format"), which pqxx::stream_to
/// does not speak: neither side makes text of the bytes and bytes of the text. Throws what libpqxx does.
class copy
{
public:
    /// `in` must be a transaction of `connection`, and is for nothing else until complete().
    copy(
        server_connection& connection, pqxx::transaction_base& in, std::string_view table,
        std::span<const char* const> columns);

    template <class... Field>
    copy& operator<<(const std::tuple<Field...>& row)
    {
        put_count(sizeof...(Field));
        std::apply([this](const auto&... field) { (this->put(field), ...); }, row);
        if (held_.size() >= held_max)
            send();
        return *this;
    }
    void complete();

private:
    static constexpr std::size_t held_max = 64 << 10;

    template <class T>
    void put(const std::optional<T>& field)
    {
        if (field)
            put(*field);
        else
            put_size(-1);
    }
    template <class Tag>
    void put(const uuid<Tag>& field)
    {
        put(field.view());
    }
    void put(const content& field) { put(byte_view(field.raw)); }
    void put(const std::string& field) { put(view(field)); }
    void put(bool field) { put(byte_view(byte_array<1>{field ? std::uint8_t{1} : std::uint8_t{0}})); }
    void put(std::int32_t field) { put(byte_view(big_endian(field))); }
    void put(std::uint64_t field) { put(byte_view(big_endian(field))); }
    void put(timestamp field);
    void put(byte_view field);
    void put_size(std::int32_t size) { append(held_, byte_view(big_endian(size))); }
    void put_count(std::int16_t count) { append(held_, byte_view(big_endian(count))); }
    void send();

    pg_conn* to_;
    const std::string query_;
    bytes held_;
};

} // namespace consortium::postgres
