#include "golden/history.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "projections/stated_account.hpp"
#include <map>
#include <stdexcept>

namespace consortium::golden
{
namespace
{

using namespace projections;
using projections::testing::public_key;
using projections::testing::signing_key;
using projections::testing::stated_account;

/// Ids that say what they are of: the same in every golden directory.
template <class Id>
Id id_of(std::uint8_t kind, std::uint8_t number)
{
    Id out;
    out.value = {kind, number, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, kind, number};
    return out;
}
account_id account(std::uint8_t number)
{
    return id_of<account_id>(0xa0, number);
}
device_id device(std::uint8_t number)
{
    return id_of<device_id>(0xd0, number);
}
session_id session(std::uint8_t number)
{
    return id_of<session_id>(0x50, number);
}
/// As clients send: ciphertext in base64.
std::string sealed(std::string_view what)
{
    return base64_encode(view(what));
}

class author
{
public:
    author(log::event_log& to, waiting_sink& sink, manual_clock& clock) : to_(to), sink_(sink), clock_(clock) {}

    template <class Command>
    std::shared_ptr<Command> run(Command wanted)
    {
        clock_.advance(std::chrono::milliseconds(1001));
        auto shared = std::make_shared<Command>(std::move(wanted));
        if (auto taken = to_.submit(shared); !taken)
            throw std::runtime_error(taken.error().detail);
        sink_.wait_for(*shared);
        return shared;
    }

    /// Account `who`, made if it is new, as device `which`, which a statement adds.
    principal sign_in(std::uint8_t who, std::uint8_t which, device_kind kind)
    {
        auto wanted = chains_.try_emplace(who, who, account(who)).first->second.sign_in(which, kind);
        wanted.new_device = device(which);
        const auto done = run(wanted);
        return {done->found_account, done->found_device, done->found_kind};
    }
    /// The account's key begins another account: what it said in the first says nothing there.
    void begin_anew(std::uint8_t who, account_id id) { chains_.insert_or_assign(who, stated_account(who, id)); }
    principal pair(std::uint8_t who, std::uint8_t which)
    {
        auto& chain = chains_.at(who);
        state(chain, chain.add(public_key(which), device_kind::agent), which);
        return {chain.id, device(which), device_kind::agent};
    }
    void revoke(std::uint8_t who, std::uint8_t which)
    {
        auto& chain = chains_.at(who);
        state(chain, chain.revoke(public_key(which), device_kind::agent), which);
    }
    /// `who` lets another account be made; a nil one is the relay.
    void invite(const principal& who, std::uint8_t which)
    {
        projections::invite wanted;
        wanted.who = who;
        wanted.invitation = id_of<invitation_id>(0x10, which);
        run(wanted);
    }
    void sign_up_invited(std::uint8_t who, std::uint8_t which, std::uint8_t invitation)
    {
        projections::sign_in wanted;
        wanted.account_key = public_key(who);
        wanted.new_account = account(which);
        wanted.new_device = device(which);
        wanted.allowed.allowed = registration::by::invitation;
        wanted.invitation = id_of<invitation_id>(0x10, invitation);
        run(wanted);
    }
    void sign_out(const principal& who)
    {
        projections::sign_out wanted;
        wanted.who = who;
        run(wanted);
    }
    void begin(const principal& who, std::uint8_t which, std::string tag, std::optional<std::string> data_key)
    {
        create_session wanted;
        wanted.who = who;
        wanted.new_session = session(which);
        wanted.tag = std::move(tag);
        wanted.metadata = sealed("session metadata");
        wanted.data_key = std::move(data_key);
        run(wanted);
    }
    void say(const principal& who, std::uint8_t which, std::vector<append_messages::item> items)
    {
        append_messages wanted;
        wanted.who = who;
        wanted.session = session(which);
        for (auto& one : items)
        {
            one.new_id = id_of<message_id>(
                static_cast<std::uint8_t>(0x30 + messages_ / 256), static_cast<std::uint8_t>(messages_ % 256));
            ++messages_;
            wanted.items.push_back(std::move(one));
        }
        run(wanted);
    }
    void lease(const principal& who, std::uint8_t which)
    {
        lease_session wanted;
        wanted.who = who;
        wanted.session = session(which);
        run(wanted);
    }
    void describe(const principal& who, std::uint8_t which, std::string_view metadata)
    {
        change_session_metadata wanted;
        wanted.who = who;
        wanted.session = session(which);
        wanted.expected = now().session(who, which).metadata_version;
        wanted.metadata = sealed(metadata);
        run(wanted);
    }
    void set_state(const principal& who, std::uint8_t which, std::optional<std::string> state)
    {
        change_agent_state wanted;
        wanted.who = who;
        wanted.session = session(which);
        wanted.expected = now().session(who, which).agent_state_version;
        wanted.state = std::move(state);
        run(wanted);
    }
    void set_active(const principal& who, std::uint8_t which, bool active)
    {
        set_session_active wanted;
        wanted.who = who;
        wanted.session = session(which);
        wanted.active = active;
        run(wanted);
    }
    void remove(const principal& who, std::uint8_t which, std::optional<std::uint8_t> signer = {})
    {
        delete_session wanted;
        wanted.who = who;
        wanted.session = session(which);
        if (signer)
            wanted.proof = sign_deletion(signing_key(*signer), who.account, wanted.session);
        run(wanted);
    }
    void add_machine(
        const principal& who, std::uint8_t which, std::string name, std::optional<std::string> state,
        std::optional<std::string> data_key)
    {
        register_machine wanted;
        wanted.who = who;
        wanted.new_machine = id_of<machine_row_id>(0xe0, which);
        wanted.machine_id = std::move(name);
        wanted.metadata = sealed("machine metadata");
        wanted.daemon_state = std::move(state);
        wanted.data_key = std::move(data_key);
        run(wanted);
    }
    void set_online(const principal& who, std::string name, bool online)
    {
        set_machine_online wanted;
        wanted.who = who;
        wanted.machine_id = std::move(name);
        wanted.online = online;
        run(wanted);
    }
    /// Changes what a machine says of itself, and of its daemon.
    void update_machine(const principal& who, const std::string& name)
    {
        const auto machine = find_machine(*to_.read(), who.account, name).value();
        change_machine_metadata metadata;
        metadata.who = who;
        metadata.machine_id = name;
        metadata.expected = machine.metadata_version;
        metadata.metadata = sealed("newer machine metadata");
        run(metadata);
        change_daemon_state state;
        state.who = who;
        state.machine_id = name;
        state.expected = machine.daemon_state_version;
        state.state = sealed("newer daemon state");
        run(state);
    }

private:
    void state(stated_account& chain, bytes statement, std::uint8_t which)
    {
        append_statements wanted;
        wanted.of = chain.id;
        wanted.account_key = chain.public_key();
        wanted.items.push_back({chain.follow(std::move(statement)), device(which)});
        run(wanted);
    }

    struct versions
    {
        std::unique_ptr<log::snapshot> at;
        session_view session(const principal& who, std::uint8_t which) const
        {
            return find_session(*at, who.account, golden::session(which)).value();
        }
    };
    versions now() const { return {to_.read()}; }

    log::event_log& to_;
    waiting_sink& sink_;
    manual_clock& clock_;
    unsigned messages_ = 1;
    std::map<std::uint8_t, stated_account> chains_; // by the account's key
};

} // namespace

void waiting_sink::on_commit(std::span<const log::outcome> batch)
{
    const std::lock_guard lock(guard_);
    for (const auto& one : batch)
        done_[one.wanted.get()] = one.committed ? std::nullopt : std::optional(one.committed.error());
    changed_.notify_all();
}

void waiting_sink::on_failure(const error& why)
{
    throw std::runtime_error(why.detail);
}

void waiting_sink::wait_for(const log::command& wanted)
{
    std::unique_lock lock(guard_);
    changed_.wait(lock, [&] { return done_.contains(&wanted); });
    const auto outcome = done_.extract(&wanted).mapped();
    if (outcome)
        throw std::runtime_error(outcome->detail);
}

void write_history(
    log::event_log& to, waiting_sink& sink, manual_clock& clock, const std::function<void()>& halfway,
    const std::function<void()>& before_last)
{
    author by(to, sink, clock);
    // Ann: two browsers, one of them without a device key; two agents, one of them revoked.
    const auto ann = by.sign_in(1, 1, device_kind::browser);
    by.sign_in(1, 2, device_kind::unnamed);
    const auto agent = by.pair(1, 3);
    const auto lost = by.pair(1, 4);
    by.sign_out(agent);

    by.add_machine(agent, 1, "machine chosen by a client", sealed("daemon state"), sealed("a wrapped key"));
    by.add_machine(lost, 2, "a machine with no state", {}, {});
    by.update_machine(agent, "machine chosen by a client");
    by.set_online(agent, "machine chosen by a client", false);
    by.set_online(agent, "machine chosen by a client", true);

    // A session with everything, with texts of odd sizes, in base64 and not, long, with and without a localId.
    by.begin(agent, 1, "7d9c1e0a-tag-of-a-session", sealed(std::string(105, 'k')));
    by.say(agent, 1, {{sealed("hello"), "local id 1", {}}});
    by.say(
        ann, 1,
        {{sealed("a"), {}, {}},
         {"not base64 at all: \xc3\xa4\xf0\x9f\x8c\xbf", "lokale Nummer \xc3\xbc", {}},
         {"AAAA=", {}, {}},
         {sealed(std::string(257, '\x7f')), std::string(64, 'L'), {}}});
    by.say(agent, 1, {{sealed(std::string(30'011, 'x')), {}, {}}}); // longer than a block of a WAL
    by.describe(agent, 1, "newer session metadata");
    by.set_state(agent, 1, sealed("agent state"));
    by.set_state(agent, 1, {});
    by.set_state(agent, 1, "{\"plain\":true}");
    // Ended, and resumed by its tag.
    by.begin(agent, 2, "t", {});
    by.set_active(agent, 2, false);
    by.begin(agent, 2, "t", {});
    by.set_active(ann, 1, false);
    halfway();

    by.set_active(ann, 1, true);
    // Deleted: its events are shredded.
    by.begin(lost, 3, "the tag of a deleted session", sealed("a key that is gone"));
    by.say(lost, 3, {{sealed("gone"), {}, {}}, {sealed("gone too"), "gone", {}}});
    by.set_state(lost, 3, sealed("gone as well"));
    by.remove(ann, 3);
    by.revoke(1, 4);
    // One whose deletion a browser signed.
    by.begin(agent, 6, "the tag of a session whose deletion was signed", {});
    by.remove(ann, 6, /*signer=*/1);
    remove_machine removed;
    removed.who = ann;
    removed.machine_id = "a machine with no state";
    by.run(removed);

    // Bob deletes his account with all that is in it, and signs up anew.
    const auto bob = by.sign_in(2, 5, device_kind::browser);
    by.begin(bob, 4, "a session of Bob", {});
    by.say(bob, 4, {{sealed("gone with the account"), {}, {}}});
    by.add_machine(bob, 3, "Bob's machine", sealed("state"), {});
    delete_account deleted;
    deleted.who = bob;
    by.run(deleted);
    by.begin_anew(2, account(3));
    by.sign_in(2, 6, device_kind::browser);

    // Invitations: of an account and of the relay itself, open and used.
    by.invite(ann, 1);
    by.invite(ann, 2);
    by.invite({}, 3);
    by.invite({}, 4);
    by.sign_up_invited(7, 7, 1);
    by.sign_up_invited(8, 8, 3);

    // Leased twice; and one that is deleted afterwards.
    by.lease(agent, 2);
    by.lease(agent, 2);
    by.begin(agent, 7, "the tag of a leased session that is deleted", {});
    by.lease(agent, 7);
    by.remove(ann, 7);

    // An ended session, last.
    by.begin(ann, 5, "an ended session", {});
    by.set_active(ann, 5, false);
    // Enough for a full tile of the tree and one above it.
    std::vector<append_messages::item> many;
    for (int i = 0; i < 250; ++i)
        many.push_back({sealed("one of many"), {}, {}});
    by.say(ann, 1, many);
    by.say(ann, 1, {{sealed("the last but one"), {}, {}}});
    before_last();
    by.say(ann, 1, {{sealed("the last"), "last", {}}});
}

void write_one_more(log::event_log& to, waiting_sink& sink)
{
    auto wanted = std::make_shared<append_messages>();
    wanted->who = {account(1), device(1), log::device_kind::browser};
    wanted->session = session(1);
    wanted->items.push_back({sealed("one more"), {}, id_of<message_id>(0x3f, 1)});
    if (auto taken = to.submit(wanted); !taken)
        throw std::runtime_error(taken.error().detail);
    sink.wait_for(*wanted);
}

} // namespace consortium::golden
