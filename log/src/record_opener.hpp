#pragma once
#include "reader.hpp"
#include <unordered_map>

namespace consortium::log
{

/// Opens one record after the other for one thread: it keeps the keys it met, and the memory it opens bodies in. Lives
/// no longer than one walk over records, so that it does not keep keys that are destroyed meanwhile.
class record_opener
{
public:
    record_opener(const pinned_store& at, reading& with) : at_(at), with_(with) {}

    /// As far as its keys allow. errc::corrupt names the lsn; errc::newer_version. Throws log_failure when the store
    /// cannot be read.
    result<event> open(lsn number, byte_view value);

    struct checked_record
    {
        event_header header;
        std::optional<lsn> destroyed_by; ///< shredded
    };
    /// Everything that a record alone can be checked for: that it authenticates, both commitments, the body's form.
    /// Errors as open().
    result<checked_record> check(lsn number, const record_view& record);

private:
    const key_state& find_key(const stored_key_id& id);

    const pinned_store& at_;
    reading& with_;
    bytes body_;
    std::unordered_map<stored_key_id, key_state, stored_key_hash> keys_;
};

} // namespace consortium::log
