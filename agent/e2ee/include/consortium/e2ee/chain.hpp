#pragma once
#include "consortium/e2ee/envelope.hpp"
#include <map>
#include <string>

namespace consortium::e2ee
{

/// Numbers what one process says in one session. Not thread-safe.
class chain_sender
{
public:
    /// Starts anew, under a `from` never used before.
    chain_sender() : from_(make_random_name()) {}

    /// The envelope of the next bundle, which must be sealed under `id`.
    envelope next(const bundle_id& id, unix_millis at, boost::json::value d);
    const std::string& from() const noexcept { return from_; }

private:
    std::string from_;
    std::uint64_t n_ = 0;
    std::optional<bundle_id> last_;
};

/// Where a reader stands with one sender.
struct chain_position
{
    std::uint64_t n = 0; ///< 0: nothing seen
    bundle_id id{};
    friend bool operator==(const chain_position&, const chain_position&) = default;
};

enum class chain_verdict
{
    next,   ///< follows what was seen
    replay, ///< its number was seen already
    gap,    ///< something before it is missing
    broken, ///< its number fits but it follows another bundle than the one seen
};

/// Follows every sender of one session. Not thread-safe.
class chain_reader
{
public:
    chain_verdict judge(const envelope& said) const;
    /// Moves on to `said`, whatever was judged.
    void accept(const envelope& said, const bundle_id& id);

    chain_position position(const std::string& from) const;
    const std::map<std::string, chain_position>& positions() const noexcept { return positions_; }
    void set(const std::string& from, const chain_position& at) { positions_[from] = at; }

private:
    std::map<std::string, chain_position> positions_;
};

} // namespace consortium::e2ee
