#pragma once
#include "projections/memory_log.hpp"
#include <algorithm>
#include <array>
#include <map>
#include <ostream>
#include <rapidcheck.h>

namespace consortium::projections::testing
{

/// One step of a random history. The numbers choose among few things, so that steps meet.
struct step
{
    std::uint8_t what;
    std::uint8_t who;
    std::uint8_t which;
    std::uint8_t detail;
};

inline void showValue(const step& one, std::ostream& out)
{
    out << "{" << int(one.what) << "," << int(one.who) << "," << int(one.which) << "," << int(one.detail) << "}";
}

inline rc::Gen<std::vector<step>> histories()
{
    const auto number = [](int bound)
    { return rc::gen::resize(100, rc::gen::inRange<std::uint8_t>(0, static_cast<std::uint8_t>(bound))); };
    return rc::gen::scale(
        5,
        rc::gen::container<std::vector<step>>(rc::gen::construct<step>(number(40), number(8), number(6), number(8))));
}

/// Three accounts, each with browsers and agents; everything the commands can do, valid or not, and what only older
/// versions did.
class random_history
{
public:
    memory_log log;
    /// Every command as it was before it was decided, and how many events it came to; empty: refused.
    struct asked
    {
        std::shared_ptr<log::command> wanted;
        std::optional<std::size_t> events;
        bool alone; ///< its outcome depends on other accounts
    };
    std::vector<asked> commands;

    void run(const std::vector<step>& steps)
    {
        for (const auto& one : steps)
        {
            log.now += one.detail % 3 == 0 ? 0 : one.detail * 7 - 11;
            play(one);
        }
    }

private:
    principal& actor(const step& one)
    {
        auto& who = actors_.at(one.who % actors_.size());
        if (who.account.is_nil())
            sign_in(one.who % actors_.size());
        return who;
    }

    void sign_in(std::size_t which)
    {
        const auto device = static_cast<std::uint8_t>(100 + which);
        auto wanted = account(which).sign_in(device, which % 3 == 2 ? device_kind::unnamed : kind_of(device));
        if (submit(wanted))
            actors_[which] = {wanted.found_account, wanted.found_device, wanted.found_kind};
    }

    static std::uint8_t account_seed(std::size_t which) { return static_cast<std::uint8_t>(1 + which % 3); }
    /// Few, so that they meet; the account of the actor.
    static std::uint8_t device_seed(const step& one) { return static_cast<std::uint8_t>(100 + one.detail); }
    static device_kind kind_of(std::uint8_t device_seed)
    {
        return device_seed % 2 == 0 ? device_kind::browser : device_kind::agent;
    }
    /// The actor's account as it stands; a new one if there is none.
    stated_account account(std::size_t which) const
    {
        stated_account out(account_seed(which));
        for (std::size_t other = which % 3; other < actors_.size(); other += 3)
            if (!actors_[other].account.is_nil())
                out.id = actors_[other].account;
        out.head = chain_head_of(memory_snapshot(log), out.id);
        return out;
    }
    /// The next statement of the actor's account, valid or not.
    bytes statement(const step& one, statement_action action) const
    {
        const auto signer = account(one.who % actors_.size());
        const auto device = device_seed(one);
        return signer.sign(signer.next(action, public_key(device), kind_of(device)));
    }

    /// A device of the first edition, which no statement names.
    void add_old_device(const step& one, const principal& who)
    {
        const auto key = to_bytes(public_key(device_seed(one)));
        const auto devices = list_devices(memory_snapshot(log), who.account).value();
        if (!devices.empty() && std::ranges::count(devices, key, &device_view::public_key) == 0)
            submit_old(
                who.account, log::event_type::device_added, new_id<device_id>(),
                log::device_added{key, kind_of(device_seed(one)), "name"});
    }
    /// What once happened to such a device.
    void change_old_device(const principal& who, log::event_type type, log::event_body body)
    {
        const auto devices = list_devices(memory_snapshot(log), who.account).value();
        const auto old = std::ranges::find(devices, false, &device_view::stated);
        if (old == devices.end())
            return;
        submit_old(who.account, type, old->id, std::move(body));
    }
    void submit_old(account_id of, log::event_type type, device_id about, log::event_body body)
    {
        old_event wanted;
        wanted.of = of;
        wanted.type = type;
        wanted.about = about;
        wanted.body = std::move(body);
        submit(std::move(wanted));
    }

    session_id session(const step& one) const
    {
        return sessions_.empty() ? session_id{} : sessions_[one.which % sessions_.size()];
    }

    /// As the session's writer knows it.
    std::optional<revision> epoch(session_id of) const
    {
        const auto known = epochs_.find(of);
        return known == epochs_.end() ? std::nullopt : std::optional(known->second);
    }

    static std::string machine(const step& one) { return "machine " + std::to_string(one.which % 2); }

    template <class Command>
    bool submit(Command& wanted)
    {
        constexpr bool alone = std::is_same_v<Command, projections::sign_in> || std::is_same_v<Command, invite> ||
                               std::is_same_v<Command, delete_account>;
        commands.push_back({std::make_shared<Command>(wanted), {}, alone});
        const auto done = log.submit(wanted);
        if (done)
            commands.back().events = done->size();
        return done.has_value();
    }
    /// Whatever comes of it.
    template <class Command>
    void submit(Command&& wanted)
        requires(!std::is_lvalue_reference_v<Command>)
    {
        submit(wanted);
    }

    void play(const step& one)
    {
        const auto& who = actor(one);
        const auto text = [&](std::string_view kind) { return std::string(kind) + std::to_string(one.which); };
        switch (one.what)
        {
        case 0:
            return sign_in(one.who % actors_.size());
        case 1:
        case 2:
        case 3:
        case 4:
        {
            auto wanted = session_wish(who, text("tag"));
            if (submit(wanted))
                sessions_.push_back(wanted.session);
            return;
        }
        case 5:
        case 6:
        {
            auto wanted = about<change_session_metadata>(who, session(one));
            const auto now = find_session(memory_snapshot(log), who.account, wanted.session);
            wanted.expected = now && one.detail != 0 ? now->metadata_version : revision{one.detail};
            wanted.metadata = text("metadata");
            wanted.epoch = epoch(wanted.session);
            return submit(std::move(wanted));
        }
        case 7:
        case 8:
        {
            auto wanted = about<change_agent_state>(who, session(one));
            const auto now = find_session(memory_snapshot(log), who.account, wanted.session);
            wanted.expected = now ? now->agent_state_version : revision{};
            if (one.detail != 0)
                wanted.state = text("state");
            wanted.epoch = epoch(wanted.session);
            return submit(std::move(wanted));
        }
        case 9:
        case 10:
        {
            auto wanted = about<set_session_active>(who, session(one));
            wanted.active = one.detail % 2 == 0;
            return submit(std::move(wanted));
        }
        case 11:
        case 12:
            return submit(about<delete_session>(who, session(one)));
        case 13:
        case 14:
        {
            auto wanted = machine_wish(who, machine(one));
            if (one.detail % 2 == 0)
                wanted.daemon_state = "state";
            return submit(std::move(wanted));
        }
        case 15:
        {
            auto wanted = about<change_machine_metadata>(who, machine(one));
            const auto now = find_machine(memory_snapshot(log), who.account, wanted.machine_id);
            wanted.expected = now ? now->metadata_version : revision{};
            wanted.metadata = "changed";
            return submit(std::move(wanted));
        }
        case 16:
        {
            auto wanted = about<change_daemon_state>(who, machine(one));
            const auto now = find_machine(memory_snapshot(log), who.account, wanted.machine_id);
            wanted.expected = now ? now->daemon_state_version : revision{};
            wanted.state = "changed";
            return submit(std::move(wanted));
        }
        case 17:
        case 23:
        case 24:
        {
            auto wanted = about<set_machine_online>(who, machine(one));
            wanted.online = one.detail % 2 == 0;
            return submit(std::move(wanted));
        }
        case 18:
            return submit(about<remove_machine>(who, machine(one)));
        case 19:
            add_old_device(one, who);
            return change_old_device(
                who, log::event_type::pairing_approved, log::pairing_approved{{}, {}, {}, "answer"});
        case 20:
            return change_old_device(who, log::event_type::device_revoked, log::no_body{});
        case 21:
            return change_old_device(who, log::event_type::device_renamed, log::device_renamed{text("name")});
        case 22:
        {
            if (one.detail > 2)
                return;
            auto wanted = by<delete_account>(who);
            if (submit(wanted))
                for (auto& other : actors_)
                    if (other.account == wanted.who.account)
                        other = {};
            return;
        }
        case 25:
        case 26:
        case 27:
        {
            append_statements wanted;
            wanted.of = who.account;
            wanted.account_key = public_key(account_seed(one.who % actors_.size()));
            wanted.items.push_back(
                {statement(one, one.what == 27 ? statement_action::revoke : statement_action::add),
                 new_id<device_id>()});
            return submit(std::move(wanted));
        }
        case 28:
            return submit(by<sign_out>(who));
        case 29:
        case 30:
        {
            auto wanted = about<delete_session>(who, session(one));
            wanted.proof = sign_deletion(signing_key(device_seed(one)), who.account, wanted.session);
            return submit(std::move(wanted));
        }
        case 31:
        {
            invite wanted;
            wanted.who = who;
            wanted.invitation = new_id<invitation_id>();
            // Long past or far ahead: a log with another clock must come to the same.
            wanted.lifetime = std::chrono::years(one.detail % 4 == 0 ? -1 : 1);
            if (submit(wanted))
                invitations_.push_back(wanted.invitation);
            return;
        }
        case 32:
        {
            projections::sign_in wanted;
            wanted.account_key = public_key(static_cast<std::uint8_t>(50 + one.which));
            wanted.new_account = new_id<account_id>();
            wanted.new_device = new_id<device_id>();
            wanted.allowed.allowed = registration::by::invitation;
            if (!invitations_.empty())
                wanted.invitation = invitations_[one.detail % invitations_.size()];
            submit(wanted);
            return;
        }
        case 33:
        case 34:
        {
            auto wanted = about<lease_session>(who, session(one));
            if (one.detail % 2 == 0)
                wanted.expected = epoch(wanted.session);
            if (submit(wanted))
                epochs_[wanted.session] = last_revision(memory_snapshot(log), who.account).value();
            return;
        }
        default:
        {
            auto wanted = about<append_messages>(who, session(one));
            if (one.detail % 4 != 0)
                wanted.epoch = epoch(wanted.session);
            for (int i = 0; i <= one.detail; ++i)
                wanted.items.push_back(
                    {"content", i % 2 == 0 ? std::optional(text("local") + std::to_string(i)) : std::nullopt,
                     new_id<message_id>()});
            submit(std::move(wanted));
        }
        }
    }

    std::array<principal, 8> actors_{};
    std::vector<session_id> sessions_;
    std::map<session_id, revision> epochs_;
    std::vector<invitation_id> invitations_;
};

} // namespace consortium::projections::testing
