#include "agent/feed_fixture.hpp"
#include "base/agent_limits.hpp"
#include "consortium/e2ee/keys.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include "session/session_fields.hpp"

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

class session_fields_test : public feed_fixture
{
protected:
    session_fields_test() { connect(); }
    void start(json::object known = {}, bool takes_over = false)
    {
        fields.begin(
            unchecked(std::move(known)), takes_over,
            [this](std::string event, json::object value) -> asio::awaitable<relay_answer<unchecked>>
            {
                asio::steady_timer way(io, std::chrono::milliseconds(5));
                co_await way.async_wait(asio::use_awaitable);
                if (refusal)
                    co_return std::unexpected(*refusal);
                sent.emplace_back(std::move(event), std::move(value));
                co_return unchecked({{"result", "success"}, {"version", ++version}});
            });
        asio::co_spawn(io, fields.run_state(), asio::detached);
        asio::co_spawn(io, fields.run_description(), asio::detached);
    }
    /// The last value that the relay took under that event, opened.
    json::object taken(const std::string& event)
    {
        for (auto each = sent.rbegin(); each != sent.rend(); ++each)
        {
            if (each->first == event)
                return event == "update-state" ? opened_state(text_at(each->second, "agentState"))
                                               : opened_description(text_at(each->second, "metadata"));
        }
        return {};
    }
    json::object opened_state(const std::string& sealed) const
    {
        const auto plain = e2ee::bundle_open(
            folder.record().data_key, {account, folder.record().session_id, "agentState"}, *base64_decode(sealed));
        return json::parse(text(plain.value().plain)).as_object();
    }
    json::object opened_description(const std::string& sealed) const
    {
        const auto& key = folder.record().data_key;
        const auto plain = e2ee::metadata_open(e2ee::session_metadata_key(key), key, *base64_decode(sealed));
        return json::parse(text(plain.value())).as_object();
    }
    std::string sealed_description(const json::object& plain) const
    {
        return base64_encode(
            e2ee::metadata_seal(e2ee::session_metadata_key(folder.record().data_key), view(json::serialize(plain))));
    }
    std::string sealed_state(const json::object& plain) const
    {
        return base64_encode(e2ee::bundle_seal(
                                 folder.record().data_key, {account, folder.record().session_id, "agentState"},
                                 random_array<16>(), view(json::serialize(plain)))
                                 .value());
    }
    void TearDown() override
    {
        fields.stop();
        run_until(io, [] { return true; });
        feed_fixture::TearDown();
    }

    json::object state{{"mode", "default"}};
    session_fields fields{io.get_executor(), folder, who, *feed, out, {{"path", "/project"}}, [this] { return state; }};
    std::vector<std::pair<std::string, json::object>> sent;
    std::optional<relay_failure> refusal;
    std::int64_t version = 1;
};

} // namespace

TEST_F(session_fields_test, every_state_counts_one_more_and_the_count_is_on_disk)
{
    EXPECT_EQ(fields.state_count(), 0);
    start();
    EXPECT_EQ(fields.state_count(), 1) << "about to be sealed";
    ASSERT_TRUE(run_until(io, [&] { return number_at(taken("update-state"), "v") == 1; }));
    state["mode"] = "plan";
    fields.state_changed();
    ASSERT_TRUE(run_until(io, [&] { return text_at(taken("update-state"), "mode") == "plan"; }));
    EXPECT_EQ(number_at(taken("update-state"), "v"), 2);
    EXPECT_EQ(session_folder::look_at(store, "tag").value().states, 2);
    EXPECT_TRUE(fields.taken_since({}));
}

TEST_F(session_fields_test, counts_on_from_a_state_of_ours_that_the_relay_has)
{
    start({{"agentState", sealed_state({{"v", 41}})}, {"agentStateVersion", 7}});
    ASSERT_TRUE(run_until(io, [&] { return number_at(taken("update-state"), "v") == 42; }));
    EXPECT_EQ(number_at(sent.at(0).second, "expectedVersion"), 7);
}

// Goal: a name that a browser gave is kept, what is ours is not overwritten, and nobody makes it too large.
TEST_F(session_fields_test, takes_over_what_others_wrote_and_keeps_its_own)
{
    bool end_wanted = false;
    fields.on_end_wanted = [&] { end_wanted = true; };
    const json::object theirs{
        {"name", "Mine"},
        {"path", "/elsewhere"},
        {"of_tomorrow", 1},
        {"huge", std::string(limits::metadata_bytes_max, 'x')}};
    start({{"metadata", sealed_description(theirs)}, {"metadataVersion", 3}}, /*takes_over=*/true);
    ASSERT_TRUE(run_until(io, [&] { return !taken("update-metadata").empty(); }));
    const auto ours = taken("update-metadata");
    EXPECT_EQ(text_at(ours, "name"), "Mine");
    EXPECT_EQ(text_at(ours, "path"), "/project");
    EXPECT_EQ(number_at(ours, "of_tomorrow"), 1);
    EXPECT_FALSE(ours.contains("huge"));
    EXPECT_EQ(number_at(ours, "after"), 3);
    EXPECT_FALSE(end_wanted);

    const auto update = sealed_description({{"lifecycleState", "archiveRequested"}});
    fields.seen(unchecked({{"metadata", json::object{{"version", 99}, {"value", update}}}}));
    EXPECT_TRUE(end_wanted);
}

TEST_F(session_fields_test, waits_until_the_relay_has_both)
{
    start();
    fields.say_all();
    const auto wait = [](session_fields& which) -> asio::awaitable<bool>
    {
        co_await which.settled(std::chrono::seconds(10));
        co_return true;
    };
    EXPECT_TRUE(agent::testing::run(io, wait(fields)));
    EXPECT_FALSE(taken("update-state").empty());
    EXPECT_FALSE(taken("update-metadata").empty());
}

TEST_F(session_fields_test, tells_its_own_description_from_any_other)
{
    EXPECT_TRUE(fields.describes_us(fields.seal_description(0).value()));
    EXPECT_FALSE(fields.describes_us(base64_encode(bytes(80, 1))));
    EXPECT_FALSE(fields.describes_us("no base64"));
}

TEST_F(session_fields_test, what_the_relay_never_takes_is_said_once_and_remembered_until_it_does)
{
    refusal = relay_failure{{errc::too_large, "a mebibyte", std::nullopt}, /*by_relay=*/true};
    start();
    ASSERT_TRUE(run_until(io, [&] { return !folder.record().refused.empty(); }));
    EXPECT_NE(folder.record().refused.find("the state of this session: a mebibyte"), std::string::npos);
    fields.state_changed();
    run_until(io, [] { return false; }, std::chrono::milliseconds(100));
    ASSERT_TRUE(all_sent());
    EXPECT_EQ(arrived().size(), 1u) << "once";
    refusal.reset();
    fields.state_changed();
    EXPECT_TRUE(run_until(io, [&] { return folder.record().refused.empty(); }));
}

TEST_F(session_fields_test, a_relay_that_has_no_such_session_is_told_apart)
{
    refusal = relay_failure{{errc::not_found, "no such session", std::nullopt}, /*by_relay=*/true};
    bool told = false;
    fields.on_refused = [&](const relay_failure&) { told = true; };
    start();
    EXPECT_TRUE(run_until(io, [&] { return told; }));
    EXPECT_TRUE(folder.record().refused.empty());
}
