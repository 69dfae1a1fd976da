#include "hub/follower.hpp"
#include "consortium/log/domain.hpp"
#include <algorithm>

namespace consortium::relay
{

using protocol::v1::client_type;

namespace
{

/// Whether a session or a machine is deleted.
bool ends_a_part(const log::event& happened)
{
    using update = log::event_update;
    const auto told = log::describe(happened.header.type).update;
    return told == update::delete_session || told == update::delete_machine;
}

} // namespace

audience audience::user()
{
    return {};
}

audience audience::own_of(const projections::principal& who, creator_lookup lookup)
{
    audience out;
    out.limited_ = who;
    out.lookup_ = std::move(lookup);
    return out;
}

audience audience::session(session_id id)
{
    audience out;
    out.type_ = client_type::session;
    out.session_ = id;
    return out;
}

audience audience::machine(std::string id, machine_row_id row)
{
    audience out;
    out.type_ = client_type::machine;
    out.machine_ = std::move(id);
    out.row_ = row;
    return out;
}

bool audience::reaches(stream_id stream)
{
    if (const auto known = own_.find(stream); known != own_.end())
        return known->second;
    const auto creator = lookup_(stream);
    if (!creator && creator.error() != errc::not_found)
        throw log::log_failure(creator.error());
    const bool own = creator && projections::reaches_made_by(*limited_, *creator);
    // What is not there (yet) is asked for again; the rest never changes.
    if (creator)
    {
        constexpr std::size_t remembered_max = 4096;
        if (own_.size() >= remembered_max)
            own_.clear();
        own_.emplace(stream, own);
    }
    return own;
}

bool audience::hears(const log::event& happened)
{
    using update = log::event_update;
    // Everybody judges by the chain of devices.
    if (happened.as<log::device_stated>() != nullptr)
        return true;
    const auto stream = happened.header.stream;
    switch (type_)
    {
    case client_type::user:
        if (!limited_)
            return true;
        if (const auto* created = happened.as<log::session_created>())
            own_[stream] = projections::reaches_made_by(*limited_, created->creator);
        if (const auto* registered = happened.as<log::machine_registered>())
            own_[stream] = projections::reaches_made_by(*limited_, registered->creator);
        // Nobody knows any more who made what is deleted: its maker must not miss it.
        if (ends_a_part(happened) && !own_.contains(stream))
            return true;
        return reaches(stream);
    case client_type::session:
        switch (log::describe(happened.header.type).update)
        {
        case update::new_message:
        case update::update_session:
        case update::delete_session:
            return stream == session_.as<stream_id>();
        case update::new_session:
        case update::session_activity:
        case update::new_machine:
        case update::update_machine:
        case update::machine_activity:
        case update::delete_machine:
        case update::device:
        case update::none:
            return false;
        }
        return false;
    case client_type::machine:
        if (const auto* registered = happened.as<log::machine_registered>();
            registered && registered->machine_id == machine_)
            row_ = stream.as<machine_row_id>();
        return log::describe(happened.header.type).update == update::update_machine && !row_.is_nil() &&
               stream == row_.as<stream_id>();
    }
    return false;
}

bool audience::hears_account(stream_id about)
{
    return type_ == client_type::user && (!limited_ || reaches(about));
}

bool audience::hears_session(session_id about)
{
    return type_ == client_type::session ? session_ == about : hears_account(about.as<stream_id>());
}

follower::follower(audience who, revision sent, bool behind, bool marks, settings bounds)
    : who_(std::move(who)), sent_(sent), told_(sent), behind_(behind), marks_(marks), bounds_(bounds)
{
}

void follower::on_batch(const outlet& out, std::size_t share)
{
    if (out.queued_bytes() > std::min(share, bounds_.queue_bytes_max))
        behind_ = true;
}

bool follower::mark_if_due(renderer& make, outlet& out)
{
    if (!marks_ || sent_.value - told_.value < bounds_.mark_every)
        return false;
    told_ = sent_;
    out.send(make.caught_up(sent_));
    return true;
}

bool follower::on_event(
    const log::event& happened, const std::function<net::shared_frame()>& frame, bool own, renderer& make, outlet& out)
{
    const auto at = happened.header.rev;
    if (behind_ || at <= sent_)
        return false;
    if (at != sent_.next())
    {
        // Cannot happen while the hub keeps its order; the log knows better than an assertion.
        behind_ = true;
        return false;
    }
    if (!who_.hears(happened) || own)
    {
        sent_ = at;
        return mark_if_due(make, out);
    }
    auto update = frame();
    const auto queued = out.queued_bytes();
    if (queued > 0 && queued + update->bytes().size() > bounds_.queue_bytes_max)
    {
        behind_ = true;
        return false;
    }
    sent_ = told_ = at;
    out.send(std::move(update));
    return true;
}

bool follower::on_part(const stream_part& part, renderer& make, outlet& out)
{
    revision run_from;
    const log::event* run_last = nullptr;
    const auto end_run = [&]
    {
        if (!run_last)
            return;
        told_ = run_last->header.rev;
        out.send(make.shredded(run_from, *run_last));
        run_last = nullptr;
    };
    for (const auto& happened : part.events)
    {
        sent_ = happened.header.rev;
        if (happened.shredded() && who_.hears_everything())
        {
            if (!run_last)
                run_from = sent_;
            run_last = &happened;
            continue;
        }
        end_run();
        if (!happened.shredded() && who_.hears(happened))
        {
            told_ = sent_;
            out.send(make.update(happened));
        }
        else
            mark_if_due(make, out);
    }
    end_run();
    behind_ = sent_ < part.last;
    if (!behind_ && marks_)
    {
        told_ = sent_;
        out.send(make.caught_up(sent_));
    }
    return behind_;
}

} // namespace consortium::relay
