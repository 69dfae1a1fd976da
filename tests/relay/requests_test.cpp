#include "consortium/common/base64.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/protocol/v1/answers.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace consortium::protocol::v1
{
namespace
{

boost::json::object object(std::string_view text)
{
    return boost::json::parse(text).as_object();
}

std::string base64_of(std::size_t size)
{
    return base64_encode(bytes(size, 7));
}

// Goal: what we write is what everybody else reads. Method: any text through our writer and Boost.JSON's parser.
RC_GTEST_PROP(json_test, written_texts_are_read_back, (std::string given))
{
    // Clients' texts are valid UTF-8; ASCII with every control character is the part we treat ourselves.
    for (auto& c : given)
        c = static_cast<char>(c & 0x7f);
    std::string text;
    json_writer(text)
        .begin_array()
        .value(given)
        .value(-5)
        .value(std::uint64_t{1} << 53)
        .value(true)
        .value(nullptr)
        .end_array();
    const auto read = boost::json::parse(text).as_array();
    RC_ASSERT(read.size() == 5u);
    RC_ASSERT(std::string(read[0].as_string()) == given);
    RC_ASSERT(read[1].as_int64() == -5);
    RC_ASSERT(read[2].as_int64() == std::int64_t{1} << 53);
    RC_ASSERT(read[3].as_bool() && read[4].is_null());
}

TEST(json_test, a_body_is_one_object_and_nothing_else)
{
    EXPECT_TRUE(parse_object_text("{}"));
    EXPECT_TRUE(parse_object_text(" {\"a\":[1]}\n"));
    for (const auto* bad :
         {"", "{", "[]", "null", "7", "\"x\"", "{}{}", "{\"a\":}", "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}"})
        EXPECT_EQ(parse_object_text(bad).error(), errc::bad_request) << bad;
    EXPECT_EQ(parse_object_text(std::string(100'000, '[')).error(), errc::bad_request);
}

TEST(requests_test, numbers_are_whole_and_in_range)
{
    const auto read = [](std::string_view text, std::int64_t least) -> result<std::int64_t>
    {
        const auto from = object(text);
        field_reader fields(from);
        const auto value = fields.integer("n", least);
        return fields.finish(value);
    };
    EXPECT_EQ(read(R"({"n":5})", 0), 5);
    EXPECT_EQ(read(R"({"n":5.0})", 0), 5);
    EXPECT_EQ(read(R"({"n":9007199254740991})", 0), integer_max);
    for (const auto* bad :
         {R"({})", R"({"n":null})", R"({"n":"5"})", R"({"n":0.5})", R"({"n":-1})", R"({"n":9007199254740992})",
          R"({"n":18446744073709551615})", R"({"n":1e300})", R"({"n":true})"})
        EXPECT_EQ(read(bad, 0).error(), errc::bad_request) << bad;
}

/// Every reader of an object refuses it without any one of `needed`, and with it of a wrong size or spelling.
template <class Reader>
void expect_needed(const boost::json::object& good, std::initializer_list<const char*> needed, Reader read)
{
    const auto said = read(good);
    ASSERT_TRUE(said) << said.error().detail;
    for (const auto* field : needed)
    {
        auto changed = good;
        changed.erase(field);
        EXPECT_EQ(read(changed).error(), errc::bad_request) << field;
        for (const auto& bad :
             {boost::json::value(7), boost::json::value(""), boost::json::value("AA="),
              boost::json::value(base64_of(31)), boost::json::value(base64_of(33)),
              boost::json::value("//__" + std::string(40, 'A'))})
        {
            changed[field] = bad;
            EXPECT_FALSE(read(changed)) << field << " " << bad;
        }
    }
}

boost::json::object device(std::string_view kind)
{
    return {{"publicKey", base64_of(32)}, {"kind", kind}};
}

TEST(requests_test, login_with_and_without_a_device)
{
    boost::json::object from{
        {"unknown", 1}, {"publicKey", base64_of(32)}, {"challenge", base64_of(100)}, {"signature", base64_of(64)}};
    const auto read = [](const boost::json::object& given) -> result<login_request>
    {
        auto out = read_sign_in_request(given);
        if (!out)
            return std::unexpected(out.error());
        return std::get<login_request>(std::move(*out));
    };
    const auto plain = read(from);
    ASSERT_TRUE(plain);
    EXPECT_FALSE(plain->device || plain->statement || plain->create || plain->account);
    expect_needed(from, {"publicKey", "signature"}, read);

    from["statement"] = base64_of(100);
    EXPECT_EQ(read(from).error(), errc::bad_request) << "it is about no device";
    from["device"] = device("browser");
    EXPECT_EQ(read(from).error(), errc::bad_request) << "its signature is missing";
    from["deviceSignature"] = base64_of(64);
    from["create"] = true;
    from["account"] = "01900000-0000-7000-8000-00000000000a";
    from["invitation"] = std::string(limits::invitation_code_bytes_max, 'x');
    const auto full = read(from);
    ASSERT_TRUE(full) << full.error().detail;
    EXPECT_EQ(full->device->kind, device_kind::browser);
    EXPECT_EQ(full->statement->size(), 100u);
    EXPECT_EQ(full->invitation->size(), limits::invitation_code_bytes_max) << "what it is worth is not said here";
    auto too_long = from;
    too_long["invitation"] = std::string(limits::invitation_code_bytes_max + 1, 'x');
    EXPECT_EQ(read(too_long).error(), errc::too_large);
    EXPECT_TRUE(full->create);
    EXPECT_EQ(to_string(*full->account), "01900000-0000-7000-8000-00000000000a");

    for (const auto* kind : {"toaster", "unnamed", "Browser", ""})
    {
        from["device"] = device(kind);
        EXPECT_EQ(read(from).error(), errc::bad_request) << kind;
    }
    from["device"] = device("agent");
    for (const auto& bad : {std::string("x"), base64_of(limits::statement_bytes_max + 1)})
    {
        from["statement"] = bad;
        EXPECT_FALSE(read(from));
    }
    from.erase("statement");
    for (const auto* bad : {"01900000-0000-7000-8000-00000000000A", "019000000000700080000000000000000a", ""})
    {
        from["account"] = bad;
        EXPECT_EQ(read(from).error(), errc::bad_request) << bad;
    }
}

TEST(requests_test, login_of_a_device_alone)
{
    boost::json::object from{
        {"accountId", "01900000-0000-7000-8000-00000000000a"},
        {"device", device("agent")},
        {"challenge", base64_of(100)},
        {"deviceSignature", base64_of(64)}};
    const auto read = [](const boost::json::object& given) -> result<device_login_request>
    {
        auto out = read_sign_in_request(given);
        if (!out)
            return std::unexpected(out.error());
        return std::get<device_login_request>(std::move(*out));
    };
    EXPECT_EQ(read(from)->device.kind, device_kind::agent);
    expect_needed(from, {"device", "deviceSignature"}, read);
    from["accountId"] = "01900000-0000-7000-8000-00000000000A";
    EXPECT_EQ(read(from).error(), errc::bad_request);
}

TEST(requests_test, what_a_pairing_is_asked_for_with)
{
    auto claim = device("agent");
    claim["sealedName"] = base64_of(50);
    boost::json::object from{
        {"publicKey", base64_of(32)},
        {"device", claim},
        {"commit", base64_of(32)},
        {"signature", base64_of(64)},
        {"mac", base64_of(32)}};
    expect_needed(from, {"publicKey", "device", "commit", "signature", "mac"}, read_pairing_request);
    EXPECT_EQ(read_pairing_request(from)->sealed_name, base64_of(50));
    EXPECT_EQ(read_pairing_request(from)->kind, device_kind::agent);
    for (const auto& name :
         {std::string("no base64"), std::string(), std::string(limits::sealed_name_bytes_max + 4, 'A')})
    {
        claim["sealedName"] = name;
        from["device"] = claim;
        EXPECT_FALSE(read_pairing_request(from)) << name.size();
    }
}

TEST(requests_test, the_steps_of_a_pairing)
{
    const auto key = base64_of(32);
    expect_needed({{"publicKey", key}, {"response", base64_of(257)}}, {"publicKey", "response"}, read_pairing_answer);
    for (const auto size : {256u, 258u})
        EXPECT_FALSE(read_pairing_answer({{"publicKey", key}, {"response", base64_of(size)}})) << size;
    expect_needed({{"publicKey", key}, {"nonce", base64_of(32)}}, {"publicKey", "nonce"}, read_pairing_reveal);
    EXPECT_FALSE(read_pairing_confirmation({{"publicKey", key}})->statement);
    EXPECT_TRUE(read_pairing_confirmation({{"publicKey", key}, {"statement", base64_of(200)}})->statement);
    EXPECT_FALSE(read_pairing_confirmation({{"publicKey", key}, {"statement", 5}}));
    EXPECT_FALSE(read_pairing_refusal({{"publicKey", key}})->signature);
    EXPECT_TRUE(read_pairing_refusal({{"publicKey", key}, {"signature", base64_of(64)}})->signature);
    EXPECT_FALSE(read_pairing_refusal({{"publicKey", key}, {"signature", base64_of(63)}}));
}

TEST(requests_test, statements_are_some_and_not_too_many)
{
    const auto read = [](std::size_t count, const boost::json::value& one)
    { return read_statements_request({{"statements", boost::json::array(count, one)}}); };
    EXPECT_EQ(read(3, boost::json::value(base64_of(200)))->size(), 3u);
    EXPECT_TRUE(read(limits::statements_per_chain_max, boost::json::value(base64_of(1))));
    EXPECT_FALSE(read(0, nullptr));
    EXPECT_FALSE(read(limits::statements_per_chain_max + 1, boost::json::value(base64_of(1))));
    for (const auto& bad :
         {boost::json::value(1), boost::json::value(nullptr), boost::json::value(""), boost::json::value("x"),
          boost::json::value(base64_of(limits::statement_bytes_max + 1))})
        EXPECT_EQ(read(1, bad).error(), errc::bad_request) << bad;
    EXPECT_FALSE(read_statements_request({{"statements", "x"}}));
}

TEST(requests_test, a_deletion_is_signed_or_not_but_not_by_half)
{
    ASSERT_TRUE(read_session_deletion({}));
    EXPECT_FALSE(read_session_deletion({})->has_value());
    const boost::json::object both{{"device", base64_of(32)}, {"signature", base64_of(64)}};
    expect_needed(both, {"device", "signature"}, read_session_deletion);
    EXPECT_TRUE(read_session_deletion(both)->has_value());
}

TEST(requests_test, sizes_are_bounded_and_said_so)
{
    const auto session = [](std::size_t tag, std::size_t metadata)
    {
        const auto read =
            read_session_request({{"tag", std::string(tag, 't')}, {"metadata", std::string(metadata, 'm')}});
        return read ? std::nullopt : std::optional(read.error().code);
    };
    EXPECT_EQ(session(limits::name_bytes_max, limits::state_bytes_max), std::nullopt);
    EXPECT_EQ(session(limits::name_bytes_max + 1, 1), errc::too_large);
    EXPECT_EQ(session(1, limits::state_bytes_max + 1), errc::too_large);
    EXPECT_EQ(session(0, 1), errc::bad_request);
}

TEST(requests_test, wrapped_keys_are_canonical_base64)
{
    for (const auto* bad : {"QQ", "Q Q==", "QR==", "***", "_-8="})
        EXPECT_EQ(
            read_session_request({{"tag", "t"}, {"metadata", "m"}, {"dataEncryptionKey", bad}}).error(),
            errc::bad_request)
            << bad;
    EXPECT_TRUE(read_session_request({{"tag", "t"}, {"metadata", "m"}, {"dataEncryptionKey", nullptr}}));
    EXPECT_EQ(read_session_request({{"tag", "t"}, {"metadata", "m"}, {"dataEncryptionKey", "QQ=="}})->data_key, "QQ==");
}

TEST(requests_test, messages_are_counted)
{
    const auto many = [](std::size_t count)
    {
        boost::json::array items;
        for (std::size_t i = 0; i < count; ++i)
            items.push_back({{"content", "c"}, {"localId", "l"}});
        return read_messages_request({{"messages", items}});
    };
    EXPECT_FALSE(many(0));
    EXPECT_EQ(many(500)->messages.size(), 500u);
    EXPECT_FALSE(many(501));
}

TEST(requests_test, the_handshake_refuses_in_the_words_of_the_contract)
{
    EXPECT_EQ(read_handshake({}).error().detail, "Missing authentication token");
    EXPECT_EQ(read_handshake({{"token", 5}}).error().detail, "Missing authentication token");
    EXPECT_EQ(
        read_handshake({{"token", "t"}, {"clientType", "session-scoped"}}).error().detail,
        "Session ID required for session-scoped clients");
    EXPECT_EQ(
        read_handshake({{"token", "t"}, {"clientType", "machine-scoped"}}).error().detail,
        "Machine ID required for machine-scoped clients");
    EXPECT_FALSE(read_handshake({{"token", "t"}, {"clientType", "toaster"}}));
    EXPECT_EQ(read_handshake({{"token", "t"}})->type, client_type::user);
}

TEST(requests_test, since_absent_null_and_given_are_three_things)
{
    EXPECT_FALSE(read_handshake({{"token", "t"}})->follows);
    const auto now = read_handshake({{"token", "t"}, {"since", nullptr}});
    EXPECT_TRUE(now->follows);
    EXPECT_FALSE(now->since);
    const auto later = read_handshake({{"token", "t"}, {"since", {{"log", "l"}, {"revision", 5}}}});
    EXPECT_EQ(later->since->revision, 5u);
    EXPECT_FALSE(read_handshake({{"token", "t"}, {"since", 5}}));
    EXPECT_FALSE(read_handshake({{"token", "t"}, {"since", {{"log", 5}, {"revision", "x"}}}}));
    EXPECT_FALSE(read_handshake({{"token", "t"}, {"since", {{"log", "l"}, {"revision", -1}}}}));
}

TEST(requests_test, a_local_id_that_is_no_text_counts_as_none)
{
    EXPECT_EQ(read_message_event({{"sid", "s"}, {"message", "m"}, {"localId", 5}})->local_id, std::nullopt);
    EXPECT_EQ(read_message_event({{"sid", "s"}, {"message", "m"}, {"localId", "l"}})->local_id, "l");
    EXPECT_EQ(
        read_message_event({{"sid", "s"}, {"message", "m"}, {"localId", std::string(257, 'l')}}).error(),
        errc::too_large);
    EXPECT_FALSE(read_message_event({{"sid", "s"}, {"message", ""}}));

    EXPECT_FALSE(read_message_event({{"sid", "s"}, {"message", "m"}})->prove);
    EXPECT_FALSE(read_message_event({{"sid", "s"}, {"message", "m"}, {"prove", nullptr}})->prove);
    EXPECT_FALSE(read_message_event({{"sid", "s"}, {"message", "m"}, {"prove", false}})->prove);
    EXPECT_TRUE(read_message_event({{"sid", "s"}, {"message", "m"}, {"prove", true}})->prove);
    for (const boost::json::value& bad :
         {boost::json::value(1), boost::json::value("true"), boost::json::value(boost::json::array())})
        EXPECT_EQ(read_message_event({{"sid", "s"}, {"message", "m"}, {"prove", bad}}).error(), errc::bad_request);
}

// Every reader of a write takes the epoch in the same form.
TEST(requests_test, an_epoch_is_absent_or_a_number_of_the_log)
{
    using boost::json::value;
    const boost::json::object message{{"sid", "s"}, {"message", "m"}};
    const boost::json::object field{{"sid", "s"}, {"agentState", nullptr}, {"expectedVersion", 0}};
    const boost::json::object post{{"messages", {{{"content", "c"}, {"localId", "l"}}}}};
    const auto read = [&](const value& epoch) -> std::vector<result<std::optional<revision>>>
    {
        const auto with = [&](boost::json::object whole, const char* name)
        {
            whole[name] = epoch;
            return whole;
        };
        const auto of = [](const auto& asked, auto epoch) -> result<std::optional<revision>>
        {
            if (!asked)
                return std::unexpected(asked.error());
            return *asked.*epoch;
        };
        return {
            of(read_message_event(with(message, "epoch")), &message_event::epoch),
            of(read_field_update(with(field, "epoch"), "sid", "agentState", true), &field_update_event::epoch),
            of(read_messages_request(with(post, "epoch")), &messages_request::epoch),
            of(read_lease_event(with({{"sid", "s"}}, "expectedEpoch")), &lease_event::expected)};
    };
    for (const auto& got : read(7))
        EXPECT_EQ(got.value(), revision{7});
    for (const auto& got : read(0))
        EXPECT_EQ(got.value(), revision{0});
    for (const auto& got : read(nullptr))
        EXPECT_EQ(got.value(), std::nullopt);
    for (const value& bad : {value(-1), value("7"), value(0.5), value(9007199254740992.0), value(true)})
        for (const auto& got : read(bad))
            EXPECT_EQ(got.error(), errc::bad_request);
    EXPECT_EQ(read_message_event(message)->epoch, std::nullopt);
    EXPECT_FALSE(read_lease_event({{"expectedEpoch", 1}}));
    EXPECT_FALSE(read_lease_event({{"sid", ""}}));
}

TEST(requests_test, deletion_of_an_account)
{
    const boost::json::object good{{"challenge", base64_of(200)}, {"signature", base64_of(64)}};
    EXPECT_EQ(read_account_deletion(good)->challenge.size(), 200u);
    for (const auto* name : {"challenge", "signature"})
        for (const auto& bad :
             {boost::json::value(nullptr), boost::json::value(7), boost::json::value(""), boost::json::value("?"),
              boost::json::value(base64_of(4096))})
        {
            auto from = good;
            from[name] = bad;
            EXPECT_FALSE(read_account_deletion(from)) << name;
            from.erase(name);
            EXPECT_FALSE(read_account_deletion(from)) << name;
        }
    EXPECT_FALSE(read_account_deletion({{"challenge", base64_of(200)}, {"signature", base64_of(63)}}));
}

TEST(requests_test, minus_one_is_never_written)
{
    const auto read = [](boost::json::object from) { return read_field_update(from, "sid", "agentState", true); };
    EXPECT_EQ(read({{"sid", "s"}, {"agentState", nullptr}, {"expectedVersion", -1}})->expected, 0u);
    EXPECT_EQ(read({{"sid", "s"}, {"agentState", nullptr}, {"expectedVersion", -1}})->value, std::nullopt);
    EXPECT_FALSE(read({{"sid", "s"}, {"expectedVersion", 0}}));
    EXPECT_FALSE(read({{"sid", "s"}, {"agentState", "a"}, {"expectedVersion", -2}}));
    EXPECT_FALSE(
        read_field_update({{"sid", "s"}, {"metadata", nullptr}, {"expectedVersion", 0}}, "sid", "metadata", false));
}

TEST(answers_test, errors_carry_a_word_and_when_to_try_again)
{
    EXPECT_EQ(
        error_body({errc::rate_limited, "slow \"down\"", std::chrono::milliseconds(250)}, "slow \"down\""),
        R"({"error":"slow \"down\"","code":"rate-limited","retry":250})");
    EXPECT_EQ(
        error_body({errc::not_found, "x", {}}, "Not found", R"(,"path":"/")"),
        R"({"error":"Not found","code":"not-found","retry":false,"path":"/"})");
}

// Goal: no text of the file system, of RocksDB or of the log reaches a client.
TEST(answers_test, what_went_wrong_inside_stays_there)
{
    for (const auto code :
         {errc::io, errc::corrupt, errc::locked, errc::wrong_secret, errc::log_truncated, errc::newer_version})
    {
        const auto said = for_client({code, "IO error: /var/lib/consortium/db/000012.sst", {}});
        EXPECT_EQ(said, errc::internal);
        EXPECT_EQ(said.detail, "Internal Server Error");
        EXPECT_TRUE(said.retry) << "an outbox would drop it";
    }
    const auto bug = for_client({errc::internal, "bad_alloc", {}});
    EXPECT_EQ(bug.detail, "Internal Server Error");
    EXPECT_FALSE(bug.retry);
    EXPECT_EQ(for_client({errc::quota, "no room", {}}).detail, "no room");
}

} // namespace
} // namespace consortium::protocol::v1
