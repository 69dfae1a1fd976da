#include "prover.hpp"
#include "contain.hpp"
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>
#include <vector>

namespace consortium::relay
{
namespace
{

// Between two turns of others on the reader threads.
constexpr std::size_t proofs_at_once = 128;

result<protocol::v1::proof_object> guarded_proof(const log::snapshot& at, lsn number)
try
{
    return prove(at, number);
}
catch (const std::exception& bug)
{
    return fail(errc::internal, bug.what());
}

} // namespace

protocol::v1::record_object object_of(log::record_proof given)
{
    protocol::v1::record_object out;
    out.index = given.index();
    CONSORTIUM_ASSERT(given.header.size() == out.header.size());
    out.header = to_array<protocol::v1::record_header_bytes>(given.header);
    const auto header = protocol::v1::parse_record_header(out.header);
    out.revision = header->revision;
    out.header_key = given.header_key;
    if (given.body)
    {
        out.body = std::move(given.body);
        out.body_key = given.body_key.value_or(byte_array<32>{});
    }
    out.body_commitment = given.body_commitment;
    out.path = std::move(given.path);
    return out;
}

result<protocol::v1::proof_object> prove(const log::snapshot& at, lsn number)
{
    auto record = at.prove(number, at.head().value);
    if (!record)
        return std::unexpected(record.error());
    return protocol::v1::proof_object{at.checkpoint(), object_of(std::move(*record))};
}

void prover::ask(lsn number, completion done)
{
    {
        const std::lock_guard lock(guard_);
        waiting_.push_back({number, std::move(done)});
        if (std::exchange(running_, true))
            return;
    }
    boost::asio::post(readers_, [this] { answer_some(); });
}

void prover::answer_some()
{
    std::vector<question> now;
    {
        const std::lock_guard lock(guard_);
        const auto count = std::min(waiting_.size(), proofs_at_once);
        const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
        now.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
        waiting_.erase(waiting_.begin(), end);
    }
    std::unique_ptr<log::snapshot> at;
    // After they were committed: it sees all of them.
    contain("reading the log for proofs", [&] { at = source_.read(); });
    for (auto& question : now)
    {
        auto made = at ? guarded_proof(*at, question.number) : fail(errc::internal, "the log could not be read");
        if (!made)
            spdlog::error("proving record {} failed: {}", question.number.value, made.error().detail);
        // A bug ends this answer alone: an ack that is dropped says so by itself.
        contain("handing out a proof", [&] { question.done(std::move(made)); });
    }
    {
        const std::lock_guard lock(guard_);
        if (waiting_.empty())
        {
            running_ = false;
            return;
        }
    }
    boost::asio::post(readers_, [this] { answer_some(); });
}

} // namespace consortium::relay
