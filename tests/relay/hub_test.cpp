#include "consortium/projections/commands.hpp"
#include "consortium/projections/views.hpp"
#include "hub/hub.hpp"
#include "unreadable_log.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <future>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

class no_requests final : public net::http_handler
{
public:
    asio::awaitable<net::http_response> handle(net::http_request, net::connection_info) override
    {
        co_return net::http_response();
    }
    net::admission admit(const net::http_request&, net::connection_info&) override
    {
        net::admission out;
        out.refusal = net::http_response();
        return out;
    }
    asio::awaitable<void> upgraded(net::http_request, net::connection_info, std::unique_ptr<net::websocket>) override
    {
        co_return;
    }
    net::http_response refuse(unsigned, std::string_view) override { return {}; }
};

/// What a client was told, in order; may refuse to take anything for a while.
class listener final : public member
{
public:
    using member::member;

    void send(net::shared_frame frame) override
    {
        if (broken)
            throw std::runtime_error("a bug in sending");
        const std::lock_guard lock(guard);
        got.emplace_back(frame->payload());
        if (slow)
            queued += frame->payload().size();
    }
    void flush() override { ++flushes; }
    std::size_t queued_bytes() const override { return queued; }
    bool is_open() const override { return open; }
    void revoked() override { was_revoked = true; }
    void fail(std::string_view) override { failed = true; }

    std::vector<std::string> words() const
    {
        const std::lock_guard lock(guard);
        return got;
    }
    std::vector<std::uint64_t> revisions() const
    {
        std::vector<std::uint64_t> out;
        for (const auto& word : words())
            if (const auto at = word.find("\"seq\":"); word.starts_with("42[\"update\"") && at != std::string::npos)
                out.push_back(std::stoull(word.substr(at + 6)));
        return out;
    }

    mutable std::mutex guard;
    std::vector<std::string> got;
    std::atomic<std::size_t> queued = 0;
    std::atomic<bool> slow = false;
    std::atomic<bool> broken = false;
    std::atomic<bool> open = true;
    std::atomic<bool> was_revoked = false;
    std::atomic<bool> failed = false;
    std::atomic<int> flushes = 0;
};

class hub_test : public ::testing::Test
{
protected:
    static constexpr std::size_t threads = 3;

    static void SetUpTestSuite() { init_crypto(); }

    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "hub-XXXXXX").string();
        place = ::mkdtemp(pattern.data());
        net::http_server_options options;
        options.threads = threads;
        server = std::move(*net::http_server::listen(options));
        commits = std::make_unique<hub>(
            *server, follower::settings{.queue_bytes_max = 20'000, .mark_every = 1000},
            hub::inbox_bounds{.bytes_max = 100'000, .count_max = 1000});
        events = std::move(*log::open_log(
            {.directory = place / "data", .witness = {}, .master_secret = std::string(40, 's')}, projections::rules(),
            *commits, clock));
        updates = std::make_unique<update_writer>(*events, output);
        reads = std::make_unique<unreadable_log>(*events);
        commits->attach(
            *reads, *updates,
            {.committed = [](const log::event&) {},
             .pressure = [](bool) {},
             .failure = [](const error&) { std::abort(); },
             .elsewhere = [this](std::move_only_function<void()> task) { asio::post(reader, std::move(task)); }});
        server->start(handler);
        sign_in();
    }
    void TearDown() override
    {
        reader.join();
        events->close();
        server->stop();
        events.reset();
        commits.reset();
        server.reset();
        std::filesystem::remove_all(place);
    }

    /// Runs `task` on a network thread and waits for it.
    template <class Task>
    auto on(std::size_t thread, Task task)
    {
        std::packaged_task<std::invoke_result_t<Task>()> job(std::move(task));
        auto done = job.get_future();
        server->post(thread, [job = std::move(job)]() mutable { job(); });
        return done.get();
    }
    /// Submits and waits for the outcome.
    result<committed_events> append(std::shared_ptr<log::command> wanted, std::size_t thread = 0)
    {
        std::promise<result<committed_events>> done;
        asio::co_spawn(
            server->executor(thread),
            [](hub& to, std::shared_ptr<log::command> given,
               std::promise<result<committed_events>>& out) -> asio::awaitable<void>
            { out.set_value(co_await to.append(std::move(given))); }(*commits, std::move(wanted), done),
            asio::detached);
        return done.get_future().get();
    }
    void sign_in()
    {
        const auto account = ed25519_key::random();
        const auto browser = ed25519_key::random();
        auto wanted = std::make_shared<projections::sign_in>();
        wanted->account_key = account.public_key();
        wanted->create = true;
        wanted->new_account = account_id{make_uuid_v7(clock.now())};
        wanted->new_device = device_id{make_uuid_v7(clock.now())};
        const device_statement addition{
            .account = wanted->new_account,
            .n = 1,
            .previous = {},
            .action = statement_action::add,
            .device = browser.public_key(),
            .kind = device_kind::browser,
            .time = clock.now(),
            .sealed_name = bytes(80, 1),
            .signature = {}};
        wanted->device = projections::sign_in::named_device{
            browser.public_key(), device_kind::browser, sign_statement(account, addition)};
        ASSERT_TRUE(append(wanted));
        who = {wanted->found_account, wanted->found_device, wanted->found_kind};
        auto session = std::make_shared<projections::create_session>();
        session->who = who;
        session->new_session = session_id{make_uuid_v7(clock.now())};
        session->tag = "tag";
        session->metadata = "metadata";
        ASSERT_TRUE(append(session));
        in = session->session;
    }
    std::shared_ptr<projections::append_messages> message(std::string content, std::size_t count = 1)
    {
        auto wanted = std::make_shared<projections::append_messages>();
        wanted->who = who;
        wanted->session = in;
        for (std::size_t i = 0; i < count; ++i)
            wanted->items.push_back({content, std::nullopt, message_id{make_uuid_v7(clock.now())}});
        return wanted;
    }
    revision head() const { return projections::last_revision(*events->read(), who.account).value(); }

    std::shared_ptr<listener> join(std::size_t thread, std::optional<std::uint64_t> since = {}, bool marks = false)
    {
        return on(
            thread,
            [&]
            {
                commits->watch(who.account);
                const auto at = head();
                auto out = std::make_shared<listener>(
                    ++last_id, who.account, who.device,
                    follower(
                        audience::user(), since ? revision{*since} : at, since.has_value(), marks,
                        {.queue_bytes_max = 20'000, .mark_every = 1000}));
                commits->join(out);
                return out;
            });
    }
    void leave(std::size_t thread, const std::shared_ptr<listener>& whom)
    {
        on(thread,
           [&]
           {
               whom->open = false;
               commits->leave(whom);
           });
    }
    /// Waits until a condition that other threads bring about holds.
    void until(const std::function<bool()>& holds)
    {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!holds())
        {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << "it never came about";
            for (std::size_t thread = 0; thread < threads; ++thread)
                on(thread, [] {}); // a turn of every thread
        }
    }
    /// The same without the threads' help.
    void until_here(const std::function<bool()>& holds)
    {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!holds())
        {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << "it never came about";
            std::this_thread::yield();
        }
    }
    static std::vector<std::uint64_t> range(std::uint64_t from, std::uint64_t to)
    {
        std::vector<std::uint64_t> out;
        for (auto at = from; at <= to; ++at)
            out.push_back(at);
        return out;
    }

    std::filesystem::path place;
    system_clock_source clock;
    no_requests handler;
    std::unique_ptr<net::http_server> server;
    std::unique_ptr<hub> commits;
    asio::thread_pool reader{1};
    std::unique_ptr<log::event_log> events;
    std::unique_ptr<unreadable_log> reads; ///< what the hub has of it
    output_budget output{{.account = limits::account_output_bytes_max, .strangers = 0}};
    std::unique_ptr<update_writer> updates;
    projections::principal who;
    session_id in;
    connection_id last_id = 0;
};

TEST_F(hub_test, every_thread_hears_what_was_committed)
{
    std::vector<std::shared_ptr<listener>> all;
    for (std::size_t thread = 0; thread < threads; ++thread)
        all.push_back(join(thread));
    const auto before = head().value;
    ASSERT_TRUE(append(message("text", 5), 1));
    for (const auto& one : all)
    {
        until([&] { return one->revisions().size() == 5; });
        EXPECT_EQ(one->revisions(), range(before + 1, before + 5));
        until([&] { return one->flushes >= 1; });
    }
    for (std::size_t thread = 0; thread < threads; ++thread)
        leave(thread, all[thread]);
    EXPECT_EQ(commits->member_count(who.account), 0u);
}

// Goal: an acknowledgement comes after the updates, and in the order of submission.
TEST_F(hub_test, answers_come_after_the_updates_in_order)
{
    const auto mine = join(0);
    std::promise<void> done;
    std::vector<std::size_t> updates_before;
    std::vector<int> order;
    on(0,
       [&]
       {
           for (int i = 0; i < 50; ++i)
               ASSERT_TRUE(commits->submit(
                   message("text"), 0,
                   [&, i](const log::outcome& ended)
                   {
                       ASSERT_TRUE(ended.committed);
                       order.push_back(i);
                       updates_before.push_back(mine->revisions().size());
                       if (i == 49)
                           done.set_value();
                   }));
       });
    done.get_future().wait();
    for (int i = 0; i < 50; ++i)
    {
        EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
        EXPECT_GT(updates_before[static_cast<std::size_t>(i)], static_cast<std::size_t>(i));
    }
    leave(0, mine);
}

TEST_F(hub_test, a_sender_is_not_told_of_its_own_messages)
{
    const auto sender = join(0);
    const auto other = join(0);
    std::promise<void> done;
    on(0,
       [&]
       {
           ASSERT_TRUE(commits->submit(message("text"), sender->id(), [&](const log::outcome&) { done.set_value(); }));
       });
    done.get_future().wait();
    EXPECT_EQ(sender->revisions().size(), 0u);
    EXPECT_EQ(other->revisions().size(), 1u);
    leave(0, sender);
    leave(0, other);
}

// Goal: a log that cannot be read costs the client that waits for it its connection, and the relay nothing.
TEST_F(hub_test, a_failed_read_ends_the_client_alone)
{
    reads->broken = true;
    const auto reader = join(0, 0);
    until([&] { return reader->failed.load(); });
    reads->broken = false;
    leave(0, reader);
    const auto again = join(0, 0);
    until([&] { return again->revisions() == range(1, head().value); });
    leave(0, again);
}

TEST_F(hub_test, a_bug_about_one_client_leaves_the_others_alone)
{
    const auto broken = join(0);
    const auto good = join(0);
    broken->broken = true;
    std::promise<void> done;
    on(0,
       [&]
       {
           ASSERT_TRUE(
               commits->submit(message("a"), 0, [](const log::outcome&) { throw std::runtime_error("a bug"); }));
           commits->post(0, [] { throw std::runtime_error("another"); });
           ASSERT_TRUE(commits->submit(message("b"), 0, [&](const log::outcome&) { done.set_value(); }));
       });
    done.get_future().wait();
    EXPECT_TRUE(broken->failed);
    EXPECT_FALSE(good->failed);
    EXPECT_EQ(good->revisions().size(), 2u);
    commits->send(who.account, 4, [frame = net::encode_text_frame("said")](member& to) { to.send(frame); });
    until([&] { return good->words().size() == 3; });
    for (const auto& one : {broken, good})
        leave(0, one);
}

// Goal: what a sender says after its durable messages reaches every thread after them.
TEST_F(hub_test, ephemerals_keep_their_place)
{
    const auto near = join(0);
    const auto far = join(2);
    std::promise<void> done;
    on(0,
       [&]
       {
           for (int i = 0; i < 100; ++i)
               ASSERT_TRUE(commits->submit(
                   message("text"), 0,
                   [&, i](const log::outcome& ended)
                   {
                       const auto at = ended.committed->front()->header.rev.value;
                       commits->send(
                           who.account, 10, [frame = net::encode_text_frame("after " + std::to_string(at))](member& to)
                           { to.send(frame); });
                       if (i == 99)
                           done.set_value();
                   }));
       });
    done.get_future().wait();
    for (const auto& one : {near, far})
    {
        until([&] { return one->words().size() == 200; });
        std::uint64_t told = 0;
        for (const auto& word : one->words())
        {
            if (word.starts_with("after "))
                EXPECT_LE(std::stoull(word.substr(6)), told) << "it came before the message it belongs behind";
            else
                ++told;
            if (told == 1 && word.starts_with("42"))
                told = std::stoull(word.substr(word.find("\"seq\":") + 6));
        }
    }
    leave(0, near);
    leave(2, far);
}

TEST_F(hub_test, a_client_that_comes_back_catches_up_and_goes_live)
{
    ASSERT_TRUE(append(message("text", 300)));
    const auto back = join(1, 0, /*marks=*/true);
    ASSERT_TRUE(append(message("text", 10)));
    until([&] { return back->revisions().size() == head().value; });
    EXPECT_EQ(back->revisions(), range(1, head().value));
    until(
        [&]
        {
            return std::ranges::any_of(
                back->words(), [](const auto& word) { return word.starts_with("42[\"caught-up\""); });
        });
    leave(1, back);
}

TEST_F(hub_test, a_slow_client_costs_no_more_than_its_bound_and_misses_nothing)
{
    const auto slow = join(1);
    const auto fast = join(2);
    const auto before = head().value;
    slow->slow = true;
    for (int i = 0; i < 40; ++i)
        ASSERT_TRUE(append(message(std::string(1000, 'x'), 20)));
    until([&] { return fast->revisions().size() == 800; });
    EXPECT_LT(slow->queued.load(), 20'000u + 40'000u) << "its bound and one batch";
    slow->slow = false;
    slow->queued = 0;
    until([&] { return slow->revisions().size() == 800; });
    EXPECT_EQ(slow->revisions(), range(before + 1, before + 800));
    leave(1, slow);
    leave(2, fast);
}

TEST_F(hub_test, a_device_without_a_valid_token_is_shown_out)
{
    const auto here = join(0);
    const auto there = join(1);
    auto wanted = std::make_shared<projections::sign_out>();
    wanted->who = who;
    ASSERT_TRUE(append(wanted));
    until([&] { return here->was_revoked && there->was_revoked; });
    leave(0, here);
    leave(1, there);
}

// Goal: whoever was following a deleted account is told all of it that is left to tell, and goes; whoever was behind is
// not told that it had caught up.
TEST_F(hub_test, a_deleted_account_shows_everybody_out)
{
    const auto live = join(0);
    const auto other = join(1);
    const auto slow = join(2);
    slow->slow = true;
    ASSERT_TRUE(append(message(std::string(30'000, 'x'))));
    ASSERT_TRUE(append(message("last")));
    until([&] { return slow->queued > 20'000; });

    auto wanted = std::make_shared<projections::delete_account>();
    wanted->who = who;
    const auto done = append(wanted, 2);
    ASSERT_TRUE(done);
    const auto end = done->back()->header.rev.value;
    EXPECT_EQ(wanted->deleted.value, end);
    until([&] { return live->was_revoked && other->was_revoked && slow->was_revoked; });
    EXPECT_EQ(live->revisions(), range(end - 2, end));
    EXPECT_EQ(other->revisions(), range(end - 2, end));

    // One that finds the stream gone while it catches up.
    const auto late =
        on(0,
           [&]
           {
               commits->watch(who.account);
               auto out = std::make_shared<listener>(
                   ++last_id, who.account, who.device,
                   follower(
                       audience::user(), revision{1}, /*behind=*/true, /*marks=*/true,
                       {.queue_bytes_max = 20'000, .mark_every = 1000}));
               commits->join(out);
               return out;
           });
    until([&] { return late->was_revoked.load(); });
    EXPECT_TRUE(late->words().empty());
    leave(0, live);
    leave(1, other);
    leave(2, slow);
    leave(0, late);
    EXPECT_EQ(commits->member_count(who.account), 0u);
}

// Goal: a thread that does not come to its inbox costs no more than the inbox's bound; its clients read the log then
// and miss nothing, and neither answers nor sign-outs are lost with the events.
TEST_F(hub_test, a_full_inbox_sends_clients_to_the_log)
{
    const auto held_up = join(0);
    const auto before = head().value;
    std::promise<void> entered;
    std::promise<void> release;
    server->post(
        0,
        [&]
        {
            entered.set_value();
            release.get_future().wait();
        });
    entered.get_future().wait();
    std::vector<std::weak_ptr<const log::event>> kept;
    for (int i = 0; i < 40; ++i)
    {
        const auto done = append(message(std::string(10'000, 'x')), 1);
        ASSERT_TRUE(done);
        kept.push_back(done->front());
    }
    commits->send(who.account, 10, [frame = net::encode_text_frame("said")](member& to) { to.send(frame); });
    until_here([&] { return std::ranges::count_if(kept, [](const auto& one) { return !one.expired(); }) <= 20; });
    release.set_value();
    until([&] { return held_up->revisions().size() == 40; });
    EXPECT_EQ(held_up->revisions(), range(before + 1, before + 40));

    // It is live again, and shown out with the rest.
    ASSERT_TRUE(append(message("live"), 1));
    until([&] { return held_up->revisions().size() == 41; });
    auto wanted = std::make_shared<projections::sign_out>();
    wanted->who = who;
    ASSERT_TRUE(append(wanted, 1));
    until([&] { return held_up->was_revoked.load(); });
    leave(0, held_up);
}

// Goal: what is not stored is not kept for those who take nothing.
TEST_F(hub_test, a_client_that_takes_nothing_is_not_sent_what_may_be_lost)
{
    const auto slow = join(0);
    slow->slow = true;
    for (int i = 0; i < 100; ++i)
        commits->send(
            who.account, 1000,
            [frame = net::encode_text_frame(std::string(1000, 'x'))](member& to) { to.send(frame); });
    for (std::size_t thread = 0; thread < threads; ++thread)
        on(thread, [] {});
    EXPECT_LE(slow->words().size(), 21u);
    EXPECT_GE(slow->words().size(), 20u);
    leave(0, slow);
}

// Goal: what an account's clients leave untaken is bounded for all of them together, and goes on when it is taken.
TEST_F(hub_test, an_account_whose_clients_take_nothing_gets_nothing_more)
{
    const auto client = join(0);
    const auto meter = output.of(who.account);
    meter->add(output.account_bytes_max());
    client->queued = 1;
    const auto before = head().value;
    ASSERT_TRUE(append(message("one"), 1));
    ASSERT_TRUE(append(message("two"), 1));
    until([&] { return on(0, [&] { return client->place().behind(); }); });
    EXPECT_TRUE(client->revisions().empty());
    client->queued = 0;
    meter->remove(output.account_bytes_max());
    until([&] { return client->revisions().size() == 2; });
    EXPECT_EQ(client->revisions(), range(before + 1, before + 2));
    leave(0, client);
}

// Goal: no gap and no duplicate, whatever comes together. Method: writers on three threads, clients that join at random
// places on random threads, take nothing for a while, and leave.
TEST_F(hub_test, every_client_sees_each_revision_once_in_order)
{
    const auto seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    struct client
    {
        std::shared_ptr<listener> who;
        std::size_t thread;
        std::uint64_t start;
    };
    std::vector<client> clients;
    std::atomic<int> unanswered = 0;
    for (int step = 0; step < 400; ++step)
    {
        const auto thread = random() % threads;
        switch (random() % 8)
        {
        case 0:
        {
            const auto since = random() % (head().value + 1);
            clients.push_back({join(thread, since, true), thread, since});
            break;
        }
        case 1:
            if (!clients.empty())
                clients[random() % clients.size()].who->slow = true;
            break;
        case 2:
            if (!clients.empty())
            {
                auto& one = *clients[random() % clients.size()].who;
                one.slow = false;
                one.queued = 0;
            }
            break;
        case 3:
            if (clients.size() > 10)
            {
                leave(clients.back().thread, clients.back().who);
                clients.pop_back();
            }
            break;
        default:
            ++unanswered;
            server->post(
                thread,
                [&, wanted = message(std::string(500, 'x'), 1 + random() % 5)]
                {
                    ASSERT_TRUE(commits->submit(
                        wanted, 0,
                        [&](const log::outcome& ended)
                        {
                            EXPECT_TRUE(ended.committed);
                            --unanswered;
                        }));
                });
        }
    }
    until([&] { return unanswered == 0; });
    const auto end = head().value;
    for (auto& [one, thread, start] : clients)
    {
        one->slow = false;
        one->queued = 0;
        until([&] { return one->revisions().size() == end - start; });
        EXPECT_EQ(one->revisions(), range(start + 1, end));
        EXPECT_FALSE(one->failed);
        leave(thread, one);
    }
    EXPECT_EQ(commits->member_count(who.account), 0u);
}

} // namespace
} // namespace consortium::relay
