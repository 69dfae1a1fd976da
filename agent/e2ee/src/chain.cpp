#include "consortium/e2ee/chain.hpp"

namespace consortium::e2ee
{

envelope chain_sender::next(const bundle_id& id, unix_millis at, boost::json::value d)
{
    envelope out{at, from_, ++n_, last_, std::move(d)};
    last_ = id;
    return out;
}

chain_position chain_reader::position(const std::string& from) const
{
    const auto found = positions_.find(from);
    return found == positions_.end() ? chain_position{} : found->second;
}

chain_verdict chain_reader::judge(const envelope& said) const
{
    const auto seen = position(said.from);
    if (said.n <= seen.n)
        return chain_verdict::replay;
    if (said.n > seen.n + 1)
        return chain_verdict::gap;
    // envelope_parse() has made sure that exactly the first has no `prev`.
    if (seen.n != 0 && said.prev != seen.id)
        return chain_verdict::broken;
    return chain_verdict::next;
}

void chain_reader::accept(const envelope& said, const bundle_id& id)
{
    positions_[said.from] = {said.n, id};
}

} // namespace consortium::e2ee
