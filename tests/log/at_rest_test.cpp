#include "consortium/common/base64.hpp"
#include "log/small_domain.hpp"
#include "open_log.hpp"
#include "rocks_store.hpp"
#include <fstream>
#include <gtest/gtest.h>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;
using namespace testing;

/// The forms in which a value could be found: raw, hex in both cases, as the text of an id, base64 in both alphabets at
/// each of three offsets.
std::vector<std::string> forms_of(const std::string& value)
{
    std::vector<std::string> out{value, hex_encode(view(value))};
    auto upper = out.back();
    for (auto& letter : upper)
        letter = static_cast<char>(std::toupper(letter));
    out.push_back(upper);
    if (value.size() == 16)
        out.push_back(to_string(key_id{to_array<16>(view(value))}));
    for (std::size_t offset = 0; offset < 3; ++offset)
    {
        // Letters that depend on neighbouring bytes are cut off.
        const auto padded = std::string(offset, 'x') + value;
        for (auto text : {base64_encode(view(padded)), base64url_encode(view(padded))})
            out.push_back(text.substr(4, text.size() - 8));
    }
    return out;
}

// Goal: with the secret absent, no file of the directory shows who uses the relay or what for.
TEST(at_rest, nothing_readable_lies_on_disk)
{
    const temporary_directory place;
    const auto directory = place.path() / "data";
    const small_domain rules;
    const manual_clock clock(1'700'000'000'000);
    const account_id account{make_uuid_v4()};
    const session_id session{make_uuid_v4()};
    const session_id doomed{make_uuid_v4()};
    const device_id device{make_uuid_v4()};
    const key_id machine{make_uuid_v4()};
    const auto planted = [](const char* what) { return std::string("planted-") + what + "-0123456789abcdef"; };
    const auto key = random_array<32>();
    const auto payload = planted("payload-in-base64");
    // Not the sessions: the small domain names its rows by them. (Those of the projections: tests/system/at_rest.)
    const std::vector<std::string> secrets{
        planted("tag"),
        planted("metadata"),
        planted("message"),
        payload,
        planted("local-id"),
        planted("machine-id"),
        planted("daemon-state"),
        planted("device-name"),
        std::string(text(key)),
        std::string(text(account.view())),
        planted("tag-of-the-doomed"),
        std::string(text(device.view())),
        std::string(text(machine.view()))};

    const auto write = [&](event_log& log)
    {
        const auto run = [&](std::shared_ptr<test_command> wanted)
        {
            auto outcome = wanted->outcome();
            ASSERT_TRUE(log.submit(wanted));
            const auto done = outcome.get();
            ASSERT_TRUE(done) << done.error().detail;
        };
        const auto one = [&](event_type type, key_id scope, bool creates, event_body body)
        {
            return std::make_shared<test_command>(
                account, 100,
                [=](const view_reader&, unix_millis) -> result<decision>
                {
                    return decision{
                        .account = account,
                        .drafts = {draft{
                            .type = type,
                            .stream = scope.as<stream_id>(),
                            .seq = 0,
                            .key = scope,
                            .creates_key = creates,
                            .destroys = {},
                            .body = body}}};
                });
        };
        run(one(event_type::account_created, account.as<key_id>(), true, account_created{.public_key = key}));
        run(
            one(event_type::device_added, account.as<key_id>(), false,
                device_added{
                    .public_key = to_bytes(key), .kind = device_kind::browser, .sealed_name = planted("device-name")}));
        run(create_session(account, doomed, planted("tag-of-the-doomed"), planted("metadata")));
        run(say(account, doomed, {planted("message"), payload}, planted("local-id")));
        run(create_session(account, session, planted("tag"), planted("metadata")));
        run(
            say(account, session, {planted("message"), base64_encode(view(payload)), std::string(5000, 'A')},
                planted("local-id")));
        run(
            one(event_type::machine_registered, machine, true,
                machine_registered{
                    .creator = device,
                    .machine_id = planted("machine-id"),
                    .metadata = planted("metadata"),
                    .daemon_state = planted("daemon-state"),
                    .data_key = {}}));
    };
    const auto scan = [&](const std::string& when)
    {
        std::size_t files = 0;
        for (const auto& entry : fs::recursive_directory_iterator(directory))
        {
            if (!entry.is_regular_file())
                continue;
            ++files;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string content{std::istreambuf_iterator<char>(file), {}};
            for (const auto& secret : secrets)
                for (const auto& form : forms_of(secret))
                    EXPECT_EQ(content.find(form), std::string::npos)
                        << when << ": " << entry.path() << " shows " << form;
            EXPECT_EQ(content.find(test_secret), std::string::npos) << entry.path();
        }
        EXPECT_GT(files, 5u);
    };

    rocks_store* store = nullptr;
    seams below;
    below.opened = [&](rocks_store& opened) { store = &opened; };
    {
        test_sink sink;
        const auto log = open_log_over(options_for(directory), rules, sink, clock, below).value();
        write(*log);
        scan("in the write-ahead log");
        for (auto* family :
             {store->log(), store->keys(), store->meta(), store->view(0), store->view(1), store->view(2)})
            ASSERT_TRUE(store->db().Flush({}, family).ok());
        scan("in table files");
        auto deleted = delete_session(account, doomed);
        auto outcome = deleted->outcome();
        ASSERT_TRUE(log->submit(deleted));
        ASSERT_TRUE(outcome.get());
        scan("after a deletion");
        std::atomic<bool> stop = false;
        ASSERT_TRUE(store->compact_keys(stop));
        scan("after a deletion and compaction");
    }
    scan("after closing");
    // The scan can find what is there: the log, opened with the secret, holds every value.
    const auto at = open_log_reader(options_for(directory), rules).value()->read();
    EXPECT_EQ(at->read(lsn{7})->as<message_appended>()->content, planted("message"));
    EXPECT_EQ(at->read(lsn{8})->as<message_appended>()->content, base64_encode(view(payload)));
}

// Goal: a destroyed key is really gone from the files once they were flushed and the keys compacted.
TEST(at_rest, a_destroyed_key_leaves_the_files)
{
    const temporary_directory place;
    const auto directory = place.path() / "data";
    const small_domain rules;
    const manual_clock clock(1'700'000'000'000);
    rocks_store* store = nullptr;
    seams below;
    below.opened = [&](rocks_store& opened) { store = &opened; };
    test_sink sink;
    const auto log = open_log_over(options_for(directory), rules, sink, clock, below).value();
    const auto run = [&](std::shared_ptr<test_command> wanted)
    {
        auto outcome = wanted->outcome();
        ASSERT_TRUE(log->submit(wanted));
        ASSERT_TRUE(outcome.get());
    };
    run(create_account(account_of(1)));
    run(create_session(account_of(1), session_of(1)));
    std::string record;
    ASSERT_TRUE(store->db().Get({}, store->log(), slice(big_endian(std::uint64_t{2})), &record).ok());
    std::string wrapped;
    const auto row = "d" + record.substr(1, 16);
    ASSERT_TRUE(store->db().Get({}, store->keys(), row, &wrapped).ok());
    ASSERT_EQ(wrapped.size(), 1u + 24 + 32 + 16);

    const auto found = [&]
    {
        for (const auto& entry : fs::recursive_directory_iterator(directory))
        {
            if (!entry.is_regular_file())
                continue;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string content{std::istreambuf_iterator<char>(file), {}};
            if (content.find(wrapped.substr(1)) != std::string::npos)
                return true;
        }
        return false;
    };
    EXPECT_TRUE(found());
    run(delete_session(account_of(1), session_of(1)));
    std::atomic<bool> stop = false;
    ASSERT_TRUE(store->compact_keys(stop));
    EXPECT_FALSE(found());
    EXPECT_TRUE(log->read()->read(lsn{2})->shredded());
}

} // namespace
} // namespace consortium::log
