#include "record_opener.hpp"
#include "event_codec.hpp"

namespace consortium::log
{
namespace
{

constexpr std::size_t keys_max = 4096;

std::unexpected<error> fail_corrupt(lsn number, std::string_view why)
{
    return fail_record(number, {.code = errc::corrupt, .detail = std::string(why), .retry = {}});
}

} // namespace

const key_state& record_opener::find_key(const stored_key_id& id)
{
    if (const auto known = keys_.find(id); known != keys_.end())
        return known->second;
    if (keys_.size() == keys_max)
        keys_.clear();
    return keys_.emplace(id, with_.keys->find(at_, id)).first->second;
}

result<event> record_opener::open(lsn number, byte_view value)
{
    const auto record = parse_record(value);
    if (!record)
        return fail_record(number, record.error());
    const auto header = open_header(*record, with_.keys->log_key(), number);
    if (!header)
        return fail_record(number, header.error());
    event out{.number = number, .header = header->header, .body = {}};
    const auto& key = find_key(record->key);
    if (key.what == key_state::kind::destroyed)
        return out;
    if (key.what == key_state::kind::unknown)
        return fail_corrupt(number, "its data key is missing and nothing deleted it");
    if (const auto opened = open_body(body_, *record, *key.key, *header); !opened)
        return fail_record(number, opened.error());
    auto body = decode_body(header->header.type, body_);
    if (!body)
        return fail_record(number, body.error());
    out.body = std::move(*body);
    return out;
}

result<record_opener::checked_record> record_opener::check(lsn number, const record_view& record)
{
    const auto header = open_header(record, with_.keys->log_key(), number);
    if (!header)
        return fail_record(number, header.error());
    if (commit_header(with_.keys->log_key(), header->header, header->image) != record.header_commitment)
        return fail_corrupt(number, "header commitment does not fit");
    const auto& key = find_key(record.key);
    if (key.what == key_state::kind::destroyed)
        return checked_record{.header = header->header, .destroyed_by = key.destroyed_by};
    if (key.what == key_state::kind::unknown)
        return fail_corrupt(number, "its data key is missing and nothing deleted it");
    if (const auto opened = open_body(body_, record, *key.key, *header); !opened)
        return fail_record(number, opened.error());
    if (commit_body(*key.key, header->header, body_) != record.body_commitment)
        return fail_corrupt(number, "body commitment does not fit");
    if (const auto good = check_body(header->header.type, body_); !good)
        return fail_record(number, good.error());
    return checked_record{.header = header->header, .destroyed_by = {}};
}

} // namespace consortium::log
