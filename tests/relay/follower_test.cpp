#include "hub/follower.hpp"
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck/gtest.h>
#include <set>

namespace consortium::relay
{
namespace
{

const account_id account{{1}};
const session_id first{{0xa}};
const session_id second{{0xb}};

log::event message(std::uint64_t at, session_id in, bool shredded = false)
{
    log::event out{
        .number = {at},
        .header =
            {.type = log::event_type::message_appended,
             .account = account,
             .stream = in.as<stream_id>(),
             .rev = {at},
             .seq = at},
        .body = log::event_body(log::message_appended{})};
    if (shredded)
        out.body.reset();
    return out;
}

/// Frames are words that tell what was sent.
class words final : public renderer
{
public:
    net::shared_frame update(const log::event& happened) override
    {
        return net::encode_text_frame("u" + std::to_string(happened.header.rev.value));
    }
    net::shared_frame shredded(revision from, const log::event& last) override
    {
        return net::encode_text_frame("s" + std::to_string(from.value) + "-" + std::to_string(last.header.rev.value));
    }
    net::shared_frame caught_up(revision at) override { return net::encode_text_frame("c" + std::to_string(at.value)); }
};

class receiver final : public outlet
{
public:
    void send(net::shared_frame frame) override
    {
        got.emplace_back(frame->payload());
        queued += 10;
    }
    void flush() override {}
    std::size_t queued_bytes() const override { return queued; }

    /// The revisions that were told, runs of shredded ones spelt out.
    std::vector<std::uint64_t> revisions() const
    {
        std::vector<std::uint64_t> out;
        for (const auto& word : got)
        {
            if (word[0] == 'u')
                out.push_back(std::stoull(word.substr(1)));
            if (word[0] == 's')
                for (auto at = std::stoull(word.substr(1)); at <= std::stoull(word.substr(word.find('-') + 1)); ++at)
                    out.push_back(at);
        }
        return out;
    }

    std::vector<std::string> got;
    std::size_t queued = 0;
};

constexpr follower::settings bounds{.queue_bytes_max = 50, .mark_every = 5};

/// An account's log, and the hub's deliveries that are still on their way.
struct world
{
    std::vector<log::event> log;
    std::size_t delivered = 0;
    words make;

    void commit(session_id in, bool shredded = false) { log.push_back(message(log.size() + 1, in, shredded)); }
    revision head() const { return {log.size()}; }
    stream_part part(revision since, std::size_t count) const
    {
        stream_part out{.events = {}, .last = head()};
        for (auto at = since.value; at < log.size() && out.events.size() < count; ++at)
            out.events.push_back(log[at]);
        return out;
    }
    void deliver(follower& to, receiver& out, const log::event& happened, bool own = false)
    {
        to.on_event(happened, [&] { return make.update(happened); }, own, make, out);
    }
};

TEST(follower_test, live_it_gets_each_revision_once)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, bounds);
    for (int i = 0; i < 3; ++i)
        at.commit(first);
    at.deliver(client, out, at.log[0]);
    at.deliver(client, out, at.log[0]);
    at.deliver(client, out, at.log[1]);
    at.deliver(client, out, at.log[2]);
    EXPECT_EQ(out.got, (std::vector<std::string>{"u1", "u2", "u3"}));
}

TEST(follower_test, what_its_snapshot_held_is_not_told_again)
{
    world at;
    receiver out;
    at.commit(first);
    at.commit(first);
    follower client(audience::user(), {2}, false, true, bounds);
    at.deliver(client, out, at.log[0]); // committed before, delivered after it joined
    at.deliver(client, out, at.log[1]);
    EXPECT_TRUE(out.got.empty());
}

TEST(follower_test, catch_up_ends_with_a_mark_for_those_who_follow)
{
    world at;
    for (int i = 0; i < 5; ++i)
        at.commit(first);
    for (const bool marks : {true, false})
    {
        receiver out;
        follower client(audience::user(), {2}, true, marks, bounds);
        EXPECT_TRUE(client.on_part(at.part({2}, 2), at.make, out));
        EXPECT_FALSE(client.on_part(at.part({4}, 2), at.make, out));
        auto expected = std::vector<std::string>{"u3", "u4", "u5"};
        if (marks)
            expected.emplace_back("c5");
        EXPECT_EQ(out.got, expected);
    }
}

TEST(follower_test, a_run_of_shredded_events_is_one_update)
{
    world at;
    at.commit(first);
    for (int i = 0; i < 3; ++i)
        at.commit(second, /*shredded=*/true);
    at.commit(first);
    at.commit(second, true);
    receiver user;
    follower everything(audience::user(), {0}, true, true, bounds);
    everything.on_part(at.part({0}, 10), at.make, user);
    EXPECT_EQ(user.got, (std::vector<std::string>{"u1", "s2-4", "u5", "s6-6", "c6"}));
    receiver scoped;
    follower one(audience::session(first), {0}, true, true, bounds);
    one.on_part(at.part({0}, 10), at.make, scoped);
    EXPECT_EQ(scoped.got, (std::vector<std::string>{"u1", "u5", "c6"}));
}

TEST(follower_test, what_is_outside_its_scope_is_marked_now_and_then)
{
    world at;
    receiver out;
    follower client(audience::session(first), {0}, false, true, bounds);
    for (int i = 0; i < 12; ++i)
    {
        at.commit(second);
        at.deliver(client, out, at.log.back());
    }
    EXPECT_EQ(out.got, (std::vector<std::string>{"c5", "c10"}));
}

TEST(follower_test, its_own_messages_are_not_sent_back_but_read_again_from_the_log)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, true, bounds);
    at.commit(first);
    at.deliver(client, out, at.log.back(), /*own=*/true);
    EXPECT_TRUE(out.got.empty());
    follower again(audience::user(), {0}, true, true, bounds);
    again.on_part(at.part({0}, 10), at.make, out);
    EXPECT_EQ(out.got, (std::vector<std::string>{"u1", "c1"}));
}

TEST(follower_test, a_full_queue_switches_to_the_log)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, bounds);
    for (int i = 0; i < 8; ++i)
    {
        at.commit(first);
        client.on_batch(out, SIZE_MAX);
        at.deliver(client, out, at.log.back());
    }
    EXPECT_TRUE(client.behind());
    EXPECT_EQ(out.got.size(), 5u) << "no more than the bound";
}

TEST(follower_test, a_batch_does_not_go_over_the_bound_either)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, bounds);
    client.on_batch(out, SIZE_MAX);
    for (int i = 0; i < 8; ++i)
    {
        at.commit(first);
        at.deliver(client, out, at.log.back());
    }
    EXPECT_TRUE(client.behind());
    EXPECT_EQ(out.got.size(), 5u);
    client.on_part(at.part(client.sent(), 10), at.make, out);
    EXPECT_EQ(out.got, (std::vector<std::string>{"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"}));
}

TEST(follower_test, to_an_empty_queue_each_event_goes_whatever_its_size)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, {.queue_bytes_max = 2, .mark_every = 5});
    at.commit(first);
    at.deliver(client, out, at.log.back());
    EXPECT_EQ(out.got.size(), 1u);
    EXPECT_FALSE(client.behind());
}

// Goal: many slow clients of one account cost no more together than a few: each has its share of the bound.
TEST(follower_test, what_it_leaves_is_held_against_its_share)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, bounds);
    for (int i = 0; i < 2; ++i)
    {
        at.commit(first);
        client.on_batch(out, 15);
        at.deliver(client, out, at.log.back());
    }
    EXPECT_FALSE(client.behind());
    client.on_batch(out, 15);
    EXPECT_TRUE(client.behind());
}

TEST(follower_test, a_hole_in_what_is_delivered_is_filled_from_the_log)
{
    world at;
    receiver out;
    follower client(audience::user(), {0}, false, false, bounds);
    for (int i = 0; i < 3; ++i)
        at.commit(first);
    at.deliver(client, out, at.log[0]);
    at.deliver(client, out, at.log[2]);
    ASSERT_TRUE(client.behind());
    client.on_part(at.part(client.sent(), 10), at.make, out);
    EXPECT_EQ(out.got, (std::vector<std::string>{"u1", "u2", "u3"}));
}

TEST(follower_test, an_agent_hears_of_what_it_created)
{
    const device_id agent{{7}};
    int lookups = 0;
    auto own = audience::own_of(
        {.account = {}, .device = agent, .kind = log::device_kind::agent},
        [&](stream_id stream) -> result<device_id>
        {
            ++lookups;
            return stream == first.as<stream_id>() ? agent : device_id{{8}};
        });
    EXPECT_TRUE(own.hears(message(1, first)));
    EXPECT_FALSE(own.hears(message(2, second)));
    EXPECT_TRUE(own.hears_session(first));
    EXPECT_FALSE(own.hears_account(second.as<stream_id>()));
    EXPECT_FALSE(own.hears_everything());
    EXPECT_EQ(lookups, 2) << "it is remembered";
}

// Goal: who made a session is known no more when it is deleted; the agent that did, and has not heard of it since it
// connected, is told. What it knows to be another's stays unsaid.
TEST(follower_test, an_agent_hears_of_deletions_that_may_be_of_its_own)
{
    const device_id agent{{7}};
    std::map<stream_id, device_id> makers{{second.as<stream_id>(), device_id{{8}}}};
    auto own = audience::own_of(
        {.account = {}, .device = agent, .kind = log::device_kind::agent},
        [&](stream_id stream) -> result<device_id>
        {
            const auto known = makers.find(stream);
            if (known == makers.end())
                return fail(errc::not_found, "nothing with this id");
            return known->second;
        });
    const auto deletion = [](session_id of)
    {
        auto out = message(1, of);
        out.header.type = log::event_type::session_deleted;
        out.body = log::event_body(log::no_body{});
        return out;
    };
    EXPECT_TRUE(own.hears(deletion(first)));
    EXPECT_FALSE(own.hears(message(1, second)));
    makers.clear();
    EXPECT_FALSE(own.hears(deletion(second)));
}

// Goal: a log that cannot be read makes nobody deaf: his connection ends of it, and he reads on from where he was.
TEST(follower_test, what_the_log_cannot_tell_is_not_left_out_unsaid)
{
    auto own = audience::own_of(
        {.account = {}, .device = device_id{{7}}, .kind = log::device_kind::agent},
        [](stream_id) -> result<device_id> { return fail(errc::io, "the disk is gone"); });
    EXPECT_THROW(own.hears(message(1, first)), log::log_failure);
    EXPECT_THROW(own.hears_session(first), log::log_failure);
}

TEST(follower_test, everybody_hears_of_the_chain_of_devices)
{
    log::event happened;
    happened.header = {.type = log::event_type::addition_stated, .account = {}, .stream = {{9}}, .rev = {1}};
    happened.body = log::device_stated{{1, 2, 3}};
    const device_id agent{{7}};
    for (auto who :
         {audience::user(), audience::session(first), audience::machine("laptop", {}),
          audience::own_of(
              {.account = {}, .device = agent, .kind = device_kind::agent},
              [](stream_id) -> result<device_id> { return fail(errc::not_found, "nothing with this id"); })})
        EXPECT_TRUE(who.hears(happened));
}

TEST(follower_test, a_machine_hears_of_itself_from_its_registration_on)
{
    auto who = audience::machine("laptop", {});
    const machine_row_id row{{5}};
    const auto about = [&](log::event_type type, log::event_body body)
    {
        return log::event{
            .number = {1},
            .header = {.type = type, .account = account, .stream = row.as<stream_id>(), .rev = {1}},
            .body = std::move(body)};
    };
    const auto changed = about(log::event_type::machine_metadata_changed, log::machine_metadata_changed{"m"});
    EXPECT_FALSE(who.hears(changed));
    EXPECT_FALSE(
        who.hears(about(log::event_type::machine_registered, log::machine_registered{{}, "laptop", "m", {}, {}})));
    EXPECT_TRUE(who.hears(changed));
    EXPECT_FALSE(who.hears(message(1, first)));
}

// Goal: whatever the order of commits, deliveries, joins, full queues and reading, each client is told each revision
// exactly once and in order, and is live in the end.
// Method: random steps over one account; deliveries lag behind commits as they do between threads; a part is read and
// taken in one step, as hub::read_part does.
RC_GTEST_PROP(follower_property, every_revision_exactly_once_in_order, (std::vector<std::uint8_t> steps))
{
    struct client
    {
        follower place;
        receiver out;
        std::uint64_t start;
    };
    world at;
    std::vector<std::unique_ptr<client>> clients;
    const auto read = [&](client& who, std::size_t count)
    {
        if (who.place.behind())
            who.place.on_part(at.part(who.place.sent(), count), at.make, who.out);
    };
    const auto deliver_next = [&]
    {
        if (at.delivered == at.log.size())
            return;
        const auto& happened = at.log[at.delivered++];
        for (auto& who : clients)
        {
            who->place.on_batch(who->out, SIZE_MAX);
            at.deliver(who->place, who->out, happened);
        }
    };
    for (const auto step : steps)
    {
        const auto which = clients.empty() ? 0 : (step >> 3) % clients.size();
        switch (step & 7)
        {
        case 0:
        case 1:
            at.commit((step & 8) ? first : second, (step & 0x70) == 0);
            break;
        case 2:
        case 3:
            deliver_next();
            break;
        case 4:
        {
            const std::uint64_t since = at.log.empty() ? 0 : (step >> 3) % (at.log.size() + 1);
            clients.push_back(std::make_unique<client>(
                follower(audience::user(), {since}, true, (step & 0x80) != 0, bounds), receiver(), since));
            break;
        }
        case 5: // from now on
            clients.push_back(std::make_unique<client>(
                follower(audience::user(), at.head(), false, true, bounds), receiver(), at.head().value));
            break;
        case 6:
            if (!clients.empty())
                read(*clients[which], 1 + (step >> 5));
            break;
        case 7: // it takes what was queued, or does not
            if (!clients.empty())
                clients[which]->out.queued = 0;
            break;
        }
    }
    while (at.delivered < at.log.size())
        deliver_next();
    for (auto& who : clients)
    {
        who->out.queued = 0;
        while (who->place.behind())
            read(*who, 3);
        std::vector<std::uint64_t> expected;
        for (auto rev = who->start + 1; rev <= at.log.size(); ++rev)
            expected.push_back(rev);
        RC_ASSERT(who->out.revisions() == expected);
    }
}

} // namespace
} // namespace consortium::relay
