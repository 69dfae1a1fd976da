#pragma once
#include "consortium/log/event.hpp"
#include "consortium/net/frame.hpp"
#include "consortium/projections/reach.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

/// A client as a cursor over its account's stream (docs/protocol.md, "Catch-up"): live it is fed by the hub; behind, it
/// reads the log at its own pace. Pure: what it reads and writes is behind interfaces.
namespace consortium::relay
{

/// Where a client's output goes.
class outlet
{
public:
    virtual ~outlet() = default;
    virtual void send(net::shared_frame frame) = 0;
    virtual void flush() = 0;
    /// Bytes that nobody has taken yet.
    virtual std::size_t queued_bytes() const = 0;
};

/// Makes what is sent.
class renderer
{
public:
    virtual ~renderer() = default;
    virtual net::shared_frame update(const log::event& happened) = 0;
    /// One update for the revisions `from` to that of `last`, whose bodies were destroyed.
    virtual net::shared_frame shredded(revision from, const log::event& last) = 0;
    virtual net::shared_frame caught_up(revision at) = 0;
};

/// A part of an account's stream and how far the stream reached when it was read.
struct stream_part
{
    std::vector<log::event> events;
    revision last;
};

/// Which events a client may see.
class audience
{
public:
    /// errc::not_found: nobody, or it is not known yet. Any other error: the log could not tell.
    using creator_lookup = std::function<result<device_id>(stream_id)>;

    /// Everything of the account.
    static audience user();
    /// What `who` reaches of it: `lookup` says who created a session or machine.
    static audience own_of(const projections::principal& who, creator_lookup lookup);
    static audience session(session_id id);
    /// `row`: nil until the machine is registered.
    static audience machine(std::string id, machine_row_id row);

    /// This and what follows throws log::log_failure when the log could not tell: nobody is told less, or more, for
    /// that. It ends the client's connection, and the client reads on from where it was.
    bool hears(const log::event& happened);
    /// Whether a run of shredded events is told to it.
    bool hears_everything() const noexcept { return type_ == protocol::v1::client_type::user && !limited_; }
    /// Ephemerals: USER and SESSION(sid) of the contract.
    bool hears_account(stream_id about);
    bool hears_session(session_id about);

    protocol::v1::client_type type() const noexcept { return type_; }

private:
    bool reaches(stream_id stream);

    protocol::v1::client_type type_ = protocol::v1::client_type::user;
    std::optional<projections::principal> limited_; ///< reaches a part of the account only
    creator_lookup lookup_;
    std::unordered_map<stream_id, bool> own_;
    session_id session_;
    std::string machine_;
    machine_row_id row_;
};

/// Not thread-safe: lives on its connection's thread.
class follower
{
public:
    struct settings
    {
        std::size_t queue_bytes_max; ///< above it the client reads from the log
        std::size_t mark_every;      ///< revisions outside its audience between two marks
    };
    /// Starts behind `sent` if `behind`, else live from there on. `marks`: tell it by `caught-up` where it is.
    follower(audience who, revision sent, bool behind, bool marks, settings bounds);

    /// Before the events of a committed batch: a client that left more than `share` of what came before reads from the
    /// log instead.
    void on_batch(const outlet& out, std::size_t share);
    /// It missed something, or may have: it reads from the log.
    void fall_behind() noexcept { behind_ = true; }
    /// A committed event, in revision order, each as often as it comes. `frame` makes its update when wanted; `own`:
    /// the client sent it and is not told again. True when output was queued. One that the queue's bound leaves no room
    /// for is read from the log; to an empty queue each goes.
    bool on_event(
        const log::event& happened, const std::function<net::shared_frame()>& frame, bool own, renderer& make,
        outlet& out);

    bool behind() const noexcept { return behind_; }
    revision sent() const noexcept { return sent_; }
    audience& who() noexcept { return who_; }

    /// Takes what was read after sent(). True: more is to be read; false: live from here on, which holds only if
    /// nothing that is above `part.last` was given to on_event() since the part was read.
    bool on_part(const stream_part& part, renderer& make, outlet& out);

private:
    bool mark_if_due(renderer& make, outlet& out);

    audience who_;
    revision sent_; ///< everything up to here was sent, or is not for it
    revision told_; ///< what it knows to have reached
    bool behind_;
    bool marks_;
    settings bounds_;
};

} // namespace consortium::relay
