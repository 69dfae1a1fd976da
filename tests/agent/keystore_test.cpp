#include "agent/fresh_directory.hpp"
#include "e2ee/run_of.hpp"
#include "identity/keystore.hpp"
#include "storage/session_folder.hpp"
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;

namespace
{

identity someone(const char* token = "a.b.c")
{
    identity out;
    out.server_url = "http://127.0.0.1:3005";
    out.account_id = "acc";
    out.token = token;
    out.account_key = run_of<32>(1);
    out.content_key = run_of<32>(2);
    out.since = 1700000000000;
    return out;
}

session_record a_session(const std::string& tag, unix_millis created = 1)
{
    session_record out;
    out.tag = tag;
    out.session_id = "sid-" + tag;
    out.server_url = "http://127.0.0.1:3005";
    out.account_id = "acc";
    out.data_key = key_of(7);
    out.directory = "/project";
    out.claude_id = "claude";
    out.created = created;
    return out;
}

unsigned mode_of(const std::filesystem::path& path)
{
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
}

} // namespace

TEST(keystore, keeps_an_identity_and_forgets_it)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path() / "state").value();
    EXPECT_FALSE(store.load_identity().value());
    auto who = someone();
    who.account_secret = key_of(9);
    ASSERT_TRUE(store.save_identity(who));
    const auto read = store.load_identity().value();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->server_url, who.server_url);
    EXPECT_EQ(read->account_id, who.account_id);
    EXPECT_EQ(read->token, who.token);
    EXPECT_EQ(read->account_key, who.account_key);
    EXPECT_EQ(read->content_key, who.content_key);
    EXPECT_EQ(read->since, who.since);
    EXPECT_EQ(read->account_secret, who.account_secret);
    who.account_secret.reset();
    ASSERT_TRUE(store.save_identity(who));
    EXPECT_FALSE(store.load_identity().value()->account_secret);
}

// Goal: who logs out leaves no key of the account behind; what is this machine's own stays.
TEST(keystore, a_forgotten_account_leaves_nothing)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path() / "state").value();
    ASSERT_TRUE(store.save_identity(someone()));
    ASSERT_TRUE(store.save_device_seed(key_of(3)));
    const auto local = store.local_key().value();
    for (const auto* name : {"pairing.json", "sign-in.json", "devices-x.json"})
        ASSERT_TRUE(store.save_object(name, {{"secret", "s"}}));
    ASSERT_TRUE(store.forget_account());
    EXPECT_FALSE(store.load_identity().value());
    EXPECT_FALSE(store.load_device_seed().value());
    for (const auto* name : {"pairing.json", "sign-in.json", "devices-x.json"})
        EXPECT_FALSE(store.load_object(name).value()) << name;
    EXPECT_EQ(store.local_key().value(), local);
    EXPECT_TRUE(store.forget_account());
}

TEST(keystore, small_files_are_changed_whole_or_not_at_all)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path() / "state").value();
    const auto set = [](std::int64_t to)
    {
        return [to](boost::json::object& value) -> result<void>
        {
            value["n"] = to;
            if (to > 1)
                return fail(errc::too_large, "no");
            return {};
        };
    };
    ASSERT_TRUE(store.change_object("x.json", set(1)));
    EXPECT_EQ(store.change_object("x.json", set(2)).error(), errc::too_large);
    EXPECT_EQ(store.load_object("x.json").value()->at("n").to_number<int>(), 1);
    ASSERT_TRUE(replace_file(store.directory() / "x.json", view("{")));
    EXPECT_EQ(store.load_object("x.json").error(), errc::corrupt);
    EXPECT_EQ(store.change_object("x.json", set(1)).error(), errc::corrupt);
}

TEST(keystore, is_for_its_owner_alone)
{
    const fresh_directory place;
    const auto root = place.path() / "state";
    const auto store = keystore::open(root).value();
    ASSERT_TRUE(store.save_identity(someone()));
    ASSERT_TRUE(store.save_device_seed(key_of(3)));
    ASSERT_TRUE(store.local_key());
    auto folder = session_folder::create(store, a_session("t")).value();
    ASSERT_TRUE(folder.save_prompts());
    folder.note_said(run_of<16>(1));
    folder.note_said(run_of<16>(2));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
        EXPECT_EQ(mode_of(entry.path()), entry.is_directory() ? 0700u : 0600u) << entry.path();
    EXPECT_EQ(mode_of(root), 0700u);
}

TEST(keystore, keys_stay_the_same)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    EXPECT_FALSE(store.load_device_seed().value());
    ASSERT_TRUE(store.save_device_seed(key_of(3)));
    EXPECT_EQ(store.load_device_seed().value(), key_of(3));
    const auto local = store.local_key().value();
    EXPECT_EQ(keystore::open(place.path()).value().local_key().value(), local);
}

TEST(keystore, a_damaged_file_is_never_taken_for_none)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    for (const auto* bad : {"", "{", "[]", "{}", R"({"format":1,"server":"x"})"})
    {
        std::ofstream(place.path() / "identity.json") << bad;
        EXPECT_EQ(store.load_identity().error(), errc::corrupt) << bad;
    }
    std::ofstream(place.path() / "identity.json") << R"({"format":2})";
    EXPECT_EQ(store.load_identity().error(), errc::newer_version);
    std::ofstream(place.path() / "device.key") << "short";
    EXPECT_EQ(store.load_device_seed().error(), errc::corrupt);
}

// Goal: a crash at any step of a write leaves the old content or the new one.
TEST(keystore, a_crash_at_any_step_leaves_old_or_new)
{
    for (const auto* step : {"open", "write", "sync", "rename", "sync directory"})
    {
        const fresh_directory place;
        ASSERT_TRUE(keystore::open(place.path()).value().save_identity(someone("old.old.old")));
        const auto crashing = keystore::open(
                                  place.path(),
                                  [&](std::string_view at)
                                  {
                                      if (at == step)
                                          throw simulated_crash();
                                  })
                                  .value();
        EXPECT_THROW((void)crashing.save_identity(someone("new.new.new")), simulated_crash);
        const auto store = keystore::open(place.path()).value();
        const auto read = store.load_identity();
        ASSERT_TRUE(read) << step;
        const auto& token = (*read)->token;
        EXPECT_EQ(token, std::string_view(step) == "sync directory" ? "new.new.new" : "old.old.old") << step;
        for (const auto& entry : std::filesystem::directory_iterator(place.path()))
            EXPECT_EQ(entry.path().string().find(replacement_mark), std::string::npos) << "half a replacement is left";
        EXPECT_TRUE(store.save_identity(someone("next.next.next")));
    }
}

TEST(session_folder, reads_back_and_is_held_by_one)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    {
        auto folder = session_folder::create(store, a_session("t")).value();
        folder.record().claude = process_identity{12, 34};
        folder.prompts().last_seq = 5;
        folder.prompts().senders.set(std::string(32, 'a'), {3, run_of<16>(1)});
        folder.prompts().in_hand.push_back({{"aWQ=", "from", 3, "bundle", {}}, false});
        ASSERT_TRUE(folder.save());
        ASSERT_TRUE(folder.save_prompts());
        EXPECT_EQ(session_folder::open(store, "t").error(), errc::locked);
    }
    auto folder = session_folder::open(store, "t").value();
    EXPECT_EQ(folder.record().session_id, "sid-t");
    EXPECT_EQ(folder.record().data_key, key_of(7));
    EXPECT_EQ(folder.record().directory, "/project");
    EXPECT_EQ(folder.record().claude->started, 34u);
    EXPECT_EQ(folder.prompts().last_seq, 5);
    EXPECT_EQ(folder.prompts().senders.position(std::string(32, 'a')).n, 3u);
    ASSERT_EQ(folder.prompts().in_hand.size(), 1u);
    EXPECT_EQ(folder.prompts().in_hand[0].prompt.bundle, "bundle");
    ASSERT_EQ(folder.dispose(never_shared(), 1).value(), disposal::destroy);
    EXPECT_EQ(session_folder::open(store, "t").error(), errc::not_found);
    EXPECT_TRUE(session_folder::list(store).empty());
}

TEST(session_folder, remembers_a_project_that_is_named_in_no_utf8)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    auto record = a_session("t");
    record.directory = "/pro\xffject";
    record.refused = "no \xc3";
    (void)session_folder::create(store, record).value();
    const auto read = session_folder::look_at(store, "t").value();
    EXPECT_EQ(read.directory, "/pro\xffject");
    EXPECT_EQ(read.refused, "no \xef\xbf\xbd");
}

TEST(session_folder, what_was_said_is_remembered_in_order_from_the_last_end_on)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    const auto ids = [](std::initializer_list<std::uint8_t> first)
    {
        std::vector<e2ee::bundle_id> out;
        for (const auto each : first)
            out.push_back(run_of<16>(each));
        return out;
    };
    {
        auto folder = session_folder::create(store, a_session("t")).value();
        for (const auto& each : ids({1, 2, 3}))
            folder.note_said(each);
        folder.forget_said_before(run_of<16>(2));
        folder.forget_said_before(run_of<16>(9));
        EXPECT_EQ(folder.said(), ids({2, 3}));
    }
    std::ofstream(store.sessions() / "t" / "said", std::ios::app) << "half an id"; // a power cut
    {
        auto folder = session_folder::open(store, "t").value();
        EXPECT_EQ(folder.said(), ids({2, 3}));
        folder.note_said(run_of<16>(4));
    }
    EXPECT_EQ(session_folder::open(store, "t")->said(), ids({2, 3, 4}));
}

TEST(session_folder, progress_survives_a_crash_at_any_step)
{
    for (const auto* step : {"open", "write", "sync", "rename", "sync directory"})
    {
        const fresh_directory place;
        const auto store = keystore::open(place.path()).value();
        {
            auto folder = session_folder::create(store, a_session("t")).value();
            folder.prompts().last_seq = 1;
            ASSERT_TRUE(folder.save_prompts());
        }
        {
            auto folder = session_folder::open(
                              store, "t",
                              [&](std::string_view at)
                              {
                                  if (at == step)
                                      throw simulated_crash();
                              })
                              .value();
            folder.prompts().last_seq = 2;
            EXPECT_THROW((void)folder.save_prompts(), simulated_crash);
        }
        auto folder = session_folder::open(store, "t").value();
        EXPECT_EQ(folder.prompts().last_seq, std::string_view(step) == "sync directory" ? 2 : 1) << step;
    }
}

// Goal: resumed is exactly what a crash left in this folder, for this account.
TEST(session_folder, finds_what_a_crash_left)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    const auto mine = someone();
    EXPECT_FALSE(find_interrupted(store, "/project", mine));

    auto ended = a_session("ended", 10);
    ended.ended = true;
    ASSERT_TRUE(session_folder::create(store, ended));
    auto elsewhere = a_session("elsewhere", 11);
    elsewhere.directory = "/other";
    ASSERT_TRUE(session_folder::create(store, elsewhere));
    auto foreign = a_session("foreign", 12);
    foreign.account_id = "another";
    ASSERT_TRUE(session_folder::create(store, foreign));
    const auto running = session_folder::create(store, a_session("running", 13)).value();
    EXPECT_FALSE(find_interrupted(store, "/project", mine));

    ASSERT_TRUE(session_folder::create(store, a_session("older", 1)));
    ASSERT_TRUE(session_folder::create(store, a_session("newer", 2)));
    const auto found = find_interrupted(store, "/project", mine);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->record().tag, "newer");
}
