#include "agent/a_page.hpp"
#include "agent/fake_directory.hpp"
#include "agent/feed_fixture.hpp"
#include "agent/silent_driver.hpp"
#include "session/prompt_queue.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

class prompt_queue_test : public feed_fixture
{
protected:
    prompt_queue_test()
    {
        devices.add(page.device.public_key());
        page.until = clock.now() + 600'000;
        connect();
        queue.serve(program);
        queue.on_change = [this] { ++changes; };
        asio::co_spawn(io, queue.run(), asio::detached);
    }
    a_page::sealed say(json::value d)
    {
        auto sealed = page.say(std::move(d));
        queue.look_at({sealed.bundle, ++seq});
        return sealed;
    }
    a_page::sealed prompt(const std::string& words) { return say(a_page::ask(words)); }
    a_page::sealed prompt_in(const std::string& mode, const std::string& words)
    {
        auto d = a_page::ask(words);
        d.at("meta").as_object()["permissionMode"] = mode;
        return say(std::move(d));
    }
    /// What the program was given, in order.
    std::vector<std::string> given() const
    {
        std::vector<std::string> out_of_it;
        for (const auto& [uuid, text] : program->prompts)
            out_of_it.push_back(text);
        return out_of_it;
    }
    bool is_given(std::vector<std::string> texts)
    {
        return run_until(io, [&] { return given() == texts; }, std::chrono::seconds(10));
    }
    /// All that can happen by itself has happened.
    void settle()
    {
        io.restart();
        while (io.poll() > 0)
        {
        }
    }
    void program_does(std::size_t which, prompt_step step) { queue.heard(program->prompts.at(which).first, step); }
    template <class T>
    T wait_for(asio::awaitable<T> work)
    {
        return agent::testing::run(io, std::move(work));
    }
    std::vector<json::object> told(const std::string& type)
    {
        EXPECT_TRUE(all_sent());
        std::vector<json::object> out_of_it;
        for (const auto& each : arrived())
        {
            const auto data = each.at("content").at("data").as_object();
            if (text_at(data, "type") == type)
                out_of_it.push_back(data);
        }
        return out_of_it;
    }
    json::array held() const { return queue.gate().held_to_json(); }
    void TearDown() override
    {
        queue.stop();
        settle();
        feed_fixture::TearDown();
    }

    a_page page{account_id{run_of<16>(0x10)}, session, key_of(0x80)};
    fake_directory devices;
    manual_boot_clock spans;
    agent_state state;
    std::shared_ptr<silent_driver> program = std::make_shared<silent_driver>();
    prompt_queue queue{
        io.get_executor(), folder, account_id{run_of<16>(0x10)}, devices, *feed, state, out, clock, spans};
    std::int64_t seq = 0;
    int changes = 0;
};

} // namespace

TEST_F(prompt_queue_test, hands_prompts_over_in_order_one_waiting_at_a_time)
{
    prompt("one");
    prompt("two");
    prompt("three");
    EXPECT_TRUE(is_given({"one"}));
    program_does(0, prompt_step::queued);
    settle();
    EXPECT_EQ(given().size(), 1u) << "it has not begun with the first";
    program_does(0, prompt_step::begun);
    EXPECT_TRUE(is_given({"one", "two"}));
    queue.turn_ended(); // of a program that says nothing of the second
    EXPECT_TRUE(is_given({"one", "two", "three"}));
    EXPECT_EQ(told("prompt-taken").size(), 3u);
    EXPECT_EQ(told("ready").size(), 1u);
}

TEST_F(prompt_queue_test, runs_each_once)
{
    const auto one = prompt("one");
    ASSERT_TRUE(is_given({"one"}));
    program_does(0, prompt_step::done);
    queue.look_at({one.bundle, ++seq});
    settle();
    EXPECT_EQ(given().size(), 1u);
    EXPECT_EQ(text_at(told("prompt-refused").at(0), "reason"), "replay");
}

TEST_F(prompt_queue_test, judges_nothing_before_it_knows_who_belongs_to_the_account)
{
    bool known = false;
    queue.knows_account = [&] { return known; };
    prompt("one");
    settle();
    EXPECT_TRUE(given().empty());
    known = true;
    queue.wake();
    EXPECT_TRUE(is_given({"one"}));
}

// Goal: no prompt runs in a mode that it was not written for. Method: the program refuses, goes elsewhere, obeys.
TEST_F(prompt_queue_test, a_prompt_waits_until_the_program_is_in_its_mode)
{
    program->refuses = "plan";
    prompt_in("plan", "carefully");
    prompt("behind it");
    ASSERT_TRUE(run_until(io, [&] { return !told("message").empty(); }));
    program->refuses.clear();
    program->goes_to = "acceptEdits";
    ASSERT_TRUE(run_until(io, [&] { return state.mode() == "acceptEdits"; }));
    settle();
    EXPECT_TRUE(given().empty());
    program->goes_to.clear();
    EXPECT_TRUE(is_given({"carefully"}));
    EXPECT_EQ(state.mode(), "plan");
    EXPECT_EQ(folder.record().mode, "plan");
    EXPECT_EQ(told("message").size(), 1u) << "said once";
}

TEST_F(prompt_queue_test, a_resumed_session_goes_back_to_its_mode_before_anything_runs)
{
    folder.record().mode = "plan";
    folder.record().model = "opus";
    program->refuses = "plan";
    agent::testing::run(
        io,
        [](prompt_queue& which) -> asio::awaitable<bool>
        {
            co_await which.restore();
            co_return true;
        }(queue));
    EXPECT_EQ(state.mode(), "default");
    EXPECT_EQ(state.model(), "opus");
    prompt("carefully");
    settle();
    EXPECT_TRUE(given().empty());
    program->refuses.clear();
    EXPECT_TRUE(is_given({"carefully"}));
    EXPECT_EQ(state.mode(), "plan");
}

TEST_F(prompt_queue_test, one_is_taken_back_until_the_program_has_it)
{
    prompt("one");
    const auto two = prompt("two");
    ASSERT_TRUE(is_given({"one"}));
    EXPECT_TRUE(queue.take_back(two.name(), page.sender.from(), two.n));
    program_does(0, prompt_step::begun);
    const auto three = prompt("three");
    EXPECT_TRUE(is_given({"one", "three"}));
    EXPECT_EQ(queue.take_back(three.name(), page.sender.from(), three.n).error(), errc::conflict);
}

TEST_F(prompt_queue_test, what_is_held_waits_for_a_person_and_then_changes_no_mode)
{
    page.until = clock.now() - 1;
    const auto late = prompt_in("plan", "late");
    ASSERT_EQ(held().size(), 1u);
    EXPECT_EQ(told("prompt-held").size(), 1u);
    EXPECT_EQ(queue.decide("?", true).error(), errc::not_found);
    EXPECT_TRUE(queue.decide(late.name(), true));
    EXPECT_TRUE(is_given({"late"}));
    EXPECT_EQ(state.mode(), "default");
    EXPECT_EQ(told("message").size(), 1u) << "which is said";
    EXPECT_TRUE(held().empty());
}

// Goal: stop means stop, and its end is the one that is said.
TEST_F(prompt_queue_test, a_stop_holds_what_had_not_begun)
{
    prompt("begun");
    ASSERT_TRUE(is_given({"begun"}));
    program_does(0, prompt_step::begun);
    program->is_busy = true;
    prompt("queued");
    ASSERT_TRUE(is_given({"begun", "queued"}));
    program_does(1, prompt_step::queued);
    prompt("waiting");
    const auto end = wait_for(queue.stop_turn()).value();
    ASSERT_TRUE(end);
    EXPECT_EQ(program->taken_back, std::vector<std::string>{program->prompts[1].first});
    ASSERT_EQ(held().size(), 2u);
    EXPECT_EQ(held().at(0).at("why"), "stopped");
    program->is_busy = false;
    queue.turn_ended();
    EXPECT_EQ(folder.said().back(), *end) << "the bundle that says so was named";
    settle();
    EXPECT_EQ(given().size(), 2u);
    EXPECT_EQ(wait_for(queue.stop_turn()).value(), end) << "nothing runs: the last end";
    EXPECT_EQ(program->stops, 1);
}

TEST_F(prompt_queue_test, what_a_stop_came_too_late_for_is_not_held)
{
    prompt("one");
    ASSERT_TRUE(is_given({"one"}));
    program->too_late = {program->prompts[0].first};
    ASSERT_TRUE(wait_for(queue.stop_turn()));
    EXPECT_TRUE(held().empty());
}

TEST_F(prompt_queue_test, what_is_typed_at_the_machine_is_stopped_like_any_other)
{
    queue.type("typed");
    EXPECT_EQ(given(), std::vector<std::string>{"typed"});
    prompt("from the browser");
    settle();
    EXPECT_EQ(given().size(), 1u) << "the typed one has not begun";
    ASSERT_TRUE(wait_for(queue.stop_turn()));
    EXPECT_EQ(program->taken_back, std::vector<std::string>{program->prompts[0].first});
    EXPECT_EQ(text_at(told("prompt-typed").at(0), "text"), "typed");
}

TEST_F(prompt_queue_test, after_its_end_hands_nothing_over)
{
    queue.stop();
    prompt("too late");
    settle();
    EXPECT_TRUE(given().empty());
}
