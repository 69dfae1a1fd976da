#include "consortium/common/base64.hpp"
#include "hub/updates.hpp"
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>
#include <set>

namespace consortium::relay
{
namespace
{

using log::event_type;

class fixed_lookup final : public update_lookup
{
public:
    machine find_machine(account_id, machine_row_id) override { return known; }

    machine known{.id = "laptop", .active = true, .active_at = 42};
};

const std::string stream_text = "02000000-0000-0000-0000-000000000000";

class updates_test : public ::testing::Test
{
protected:
    static log::event happened(event_type type, log::event_body body = log::no_body{})
    {
        return {
            .number = {70},
            .header =
                {.type = type,
                 .account = account_id{{1}},
                 .stream = stream_id{{2}},
                 .rev = {7},
                 .seq = 3,
                 .time = 1'700'000'000'000,
                 .body_bytes = 1},
            .body = std::move(body)};
    }

    /// The update's body as JSON, with its keys in the order of writing.
    std::string body(const log::event& event)
    {
        std::string text;
        protocol::v1::json_writer json(text);
        protocol::v1::write(json, {.id = "x", .seq = 7, .created_at = 9, .body = body_of(event, lookup)});
        const std::string head = R"({"id":"x","seq":7,"body":)";
        const std::string tail = R"(,"createdAt":9})";
        EXPECT_TRUE(text.starts_with(head) && text.ends_with(tail)) << text;
        EXPECT_NO_THROW(boost::json::parse(text)) << text;
        return text.substr(head.size(), text.size() - head.size() - tail.size());
    }

    fixed_lookup lookup;
};

TEST_F(updates_test, message)
{
    EXPECT_EQ(
        body(happened(event_type::message_appended, log::message_appended{message_id{{9}}, "local", "a\"\\\n\x01"})),
        R"({"t":"new-message","sid":")" + stream_text +
            R"(","message":{"id":"09000000-0000-0000-0000-000000000000","seq":3,"revision":7,)"
            R"("content":{"t":"encrypted","c":"a\"\\\n\u0001"},"localId":"local",)"
            R"("createdAt":1700000000000,"updatedAt":1700000000000}})");
    EXPECT_NE(
        body(happened(event_type::message_appended, log::message_appended{message_id{{9}}, std::nullopt, "a"}))
            .find(R"("localId":null)"),
        std::string::npos);
}

TEST_F(updates_test, session_created)
{
    EXPECT_EQ(
        body(happened(event_type::session_created, log::session_created{device_id{{5}}, "tag", "meta", "key"})),
        R"({"t":"new-session","id":")" + stream_text +
            R"(","seq":0,"createdAt":1700000000000,"updatedAt":1700000000000,"active":true,"activeAt":1700000000000,)"
            R"("metadata":"meta","metadataVersion":7,"agentState":null,"agentStateVersion":0,"dataEncryptionKey":"key"})");
    EXPECT_EQ(
        body(happened(event_type::session_created, log::session_created{device_id{{5}}, "tag", "meta", {}}))
            .find("tag"),
        std::string::npos)
        << "a tag is nobody's business";
}

TEST_F(updates_test, session_fields_only_the_half_that_changed)
{
    EXPECT_EQ(
        body(happened(event_type::session_metadata_changed, log::session_metadata_changed{"m"})),
        R"({"t":"update-session","id":")" + stream_text + R"(","metadata":{"value":"m","version":7}})");
    EXPECT_EQ(
        body(happened(event_type::agent_state_changed, log::agent_state_changed{"s"})),
        R"({"t":"update-session","id":")" + stream_text + R"(","agentState":{"value":"s","version":7}})");
    EXPECT_EQ(
        body(happened(event_type::agent_state_changed, log::agent_state_changed{std::nullopt})),
        R"({"t":"update-session","id":")" + stream_text + R"(","agentState":{"value":null,"version":7}})");
    EXPECT_EQ(
        body(happened(event_type::session_leased)),
        R"({"t":"update-session","id":")" + stream_text + R"(","epoch":7})");
}

TEST_F(updates_test, session_transitions)
{
    EXPECT_EQ(
        body(happened(event_type::session_ended)),
        R"({"t":"session-activity","id":")" + stream_text + R"(","active":false,"activeAt":1700000000000})");
    EXPECT_EQ(
        body(happened(event_type::session_resumed)),
        R"({"t":"session-activity","id":")" + stream_text + R"(","active":true,"activeAt":1700000000000})");
    EXPECT_EQ(body(happened(event_type::session_deleted)), R"({"t":"delete-session","sid":")" + stream_text + R"("})");
}

TEST_F(updates_test, machine_registered)
{
    EXPECT_EQ(
        body(happened(
            event_type::machine_registered, log::machine_registered{device_id{{5}}, "laptop", "meta", "state", {}})),
        R"({"t":"new-machine","machineId":"laptop","seq":0,"metadata":"meta","metadataVersion":7,)"
        R"("daemonState":"state","daemonStateVersion":7,"dataEncryptionKey":null,"active":false,)"
        R"("activeAt":1700000000000,"createdAt":1700000000000,"updatedAt":1700000000000})");
    EXPECT_NE(
        body(
            happened(event_type::machine_registered, log::machine_registered{device_id{{5}}, "laptop", "meta", {}, {}}))
            .find(R"("daemonState":null,"daemonStateVersion":0)"),
        std::string::npos);
}

TEST_F(updates_test, machine_changes_say_whether_it_is_there)
{
    EXPECT_EQ(
        body(happened(event_type::machine_metadata_changed, log::machine_metadata_changed{"m"})),
        R"({"t":"update-machine","machineId":"laptop","metadata":{"value":"m","version":7},"active":true,"activeAt":42})");
    EXPECT_EQ(
        body(happened(event_type::daemon_state_changed, log::daemon_state_changed{"s"})),
        R"({"t":"update-machine","machineId":"laptop","daemonState":{"value":"s","version":7},)"
        R"("active":true,"activeAt":1700000000000})");
    EXPECT_EQ(
        body(happened(event_type::machine_online)),
        R"({"t":"machine-activity","id":"laptop","active":true,"activeAt":1700000000000})");
    EXPECT_EQ(
        body(happened(event_type::machine_offline)),
        R"({"t":"machine-activity","id":"laptop","active":false,"activeAt":1700000000000})");
    EXPECT_EQ(
        body(happened(event_type::machine_removed, log::machine_removed{"laptop"})),
        R"({"t":"delete-machine","machineId":"laptop"})");
}

TEST_F(updates_test, a_machine_whose_name_is_destroyed_says_nothing)
{
    lookup.known = {};
    EXPECT_EQ(body(happened(event_type::machine_online)), R"({"t":"none"})");
}

TEST_F(updates_test, devices)
{
    for (const auto type : {event_type::addition_stated, event_type::revocation_stated})
        EXPECT_EQ(body(happened(type, log::device_stated{{1, 2, 3, 4}})), R"({"t":"device","statement":"AQIDBA=="})");
    // What only the relay knows of: the unnamed one, and devices of older versions.
    EXPECT_EQ(
        body(happened(event_type::device_added, log::device_added{{}, device_kind::unnamed, ""})), R"({"t":"none"})");
    EXPECT_EQ(body(happened(event_type::device_renamed, log::device_renamed{"new"})), R"({"t":"none"})");
    EXPECT_EQ(body(happened(event_type::device_revoked)), R"({"t":"none"})");
    EXPECT_EQ(body(happened(event_type::device_signed_out)), R"({"t":"none"})");
}

TEST_F(updates_test, a_deletion_says_who_signed_it)
{
    EXPECT_EQ(body(happened(event_type::session_deleted)), R"({"t":"delete-session","sid":")" + stream_text + R"("})");
    EXPECT_EQ(
        body(happened(event_type::session_deletion_signed, log::session_deletion_signed{{1}, {2}})),
        R"({"t":"delete-session","sid":")" + stream_text + R"(","device":")" + base64_encode(byte_array<32>{1}) +
            R"(","signature":")" + base64_encode(byte_array<64>{2}) + R"("})");
}

TEST_F(updates_test, what_is_nobodys_business_is_none)
{
    EXPECT_EQ(body(happened(event_type::account_created, log::account_created{})), R"({"t":"none"})");
    EXPECT_EQ(body(happened(event_type::pairing_approved, log::pairing_approved{})), R"({"t":"none"})");
    EXPECT_EQ(body(happened(event_type::account_deleted)), R"({"t":"none"})");
}

// Goal: every revision is one update, so every type there is must come to one.
TEST_F(updates_test, every_type_has_an_update)
{
    for (std::uint16_t number = 1; log::is_known(static_cast<event_type>(number)); ++number)
        EXPECT_NE(body(happened(static_cast<event_type>(number))), "") << number;
}

TEST(update_ids_test, are_the_same_each_time_and_differ_between_revisions)
{
    const log_id log{{1}};
    std::set<std::string> seen;
    for (std::uint64_t at = 1; at <= 5'000; ++at)
        seen.insert(update_id(log, account_id{{1}}, {at}));
    EXPECT_EQ(seen.size(), 5'000u);
    EXPECT_EQ(update_id(log, account_id{{1}}, {5}), update_id(log, account_id{{1}}, {5}));
    EXPECT_NE(update_id(log, account_id{{1}}, {5}), update_id(log, account_id{{2}}, {5}));
    for (const auto& id : seen)
        EXPECT_EQ(
            id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), std::string::npos);
}

} // namespace
} // namespace consortium::relay
