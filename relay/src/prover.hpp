#pragma once
#include "consortium/log/event_log.hpp"
#include "consortium/protocol/v1/proofs.hpp"
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <mutex>

namespace consortium::relay
{

/// What the contract calls RECORD.
protocol::v1::record_object object_of(log::record_proof given);
/// `{checkpoint, record}` for the record `number`, in the tree that `at` sees.
result<protocol::v1::proof_object> prove(const log::snapshot& at, lsn number);

/// Proofs of what was committed a moment ago. Those that are asked for together share one snapshot, and so one
/// signature; they take one reader thread at most, whoever else waits for a list has the others. Thread-safe.
class prover
{
public:
    /// Called once, on a reader thread.
    using completion = std::move_only_function<void(result<protocol::v1::proof_object>)>;

    prover(const log::event_log& source, boost::asio::thread_pool& readers) : source_(source), readers_(readers) {}

    /// `number` is committed.
    void ask(lsn number, completion done);

private:
    struct question
    {
        lsn number;
        completion done;
    };
    void answer_some();

    const log::event_log& source_;
    boost::asio::thread_pool& readers_;
    std::mutex guard_;
    std::deque<question> waiting_;
    bool running_ = false;
};

} // namespace consortium::relay
