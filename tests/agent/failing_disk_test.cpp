// What is remembered and what is on the disk say the same, whatever the disk refuses.
#include "agent/a_page.hpp"
#include "agent/failing_disk.hpp"
#include "agent/fake_directory.hpp"
#include "agent/fresh_directory.hpp"
#include "e2ee/run_of.hpp"
#include "identity/device_book.hpp"
#include "link/spool.hpp"
#include "session/prompt_gate.hpp"
#include "storage/session_folder.hpp"
#include "storage/trash.hpp"
#include "storage/trash_note.hpp"
#include <boost/json.hpp>
#include <cerrno>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>

using namespace consortium;
using namespace consortium::agent;
using namespace consortium::agent::testing;
namespace json = boost::json;

namespace
{

/// Fails the call that comes as number `which` (from 1) of those that are counted.
failing_disk::judge fails_once(int which, int& count)
{
    return [which, &count](std::string_view) { return ++count == which ? EIO : 0; };
}
failing_disk::judge fails(std::string_view wanted)
{
    return [wanted](std::string_view call) { return call == wanted ? EIO : 0; };
}

std::vector<std::string> ids_of(const spool& store)
{
    std::vector<std::string> out;
    for (const auto& each : store.waiting())
        out.push_back(each.local_id + (each.sealed() ? " " + each.bundle : ""));
    return out;
}
std::vector<std::string> on_disk(const std::filesystem::path& file)
{
    return ids_of(spool::open(file, key_of(1), "tag").value());
}
spool_entry entry(const std::string& id)
{
    return {id, 1, json::value_from("words of " + id), {}};
}

const std::string sid = "01890a5d-ac96-774b-bcce-b302099a8057";
session_record a_record()
{
    session_record out;
    out.tag = "t";
    out.session_id = sid;
    out.data_key = key_of(0x30);
    return out;
}

} // namespace

TEST(failing_disk, a_failed_sync_leaves_the_message_nowhere)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    auto store = spool::open(file, key_of(1), "tag").value();
    ASSERT_TRUE(store.append(entry("one")));
    for (const auto* call : {"fdatasync", "write"})
    {
        const failing_disk disk(fails(call));
        EXPECT_EQ(store.append(entry("never")).error(), errc::io);
        EXPECT_EQ(ids_of(store), on_disk(file)) << call;
    }
    ASSERT_TRUE(store.append(entry("two")));
    EXPECT_EQ(on_disk(file), (std::vector<std::string>{"one", "two"}));
}

// Goal: what the file cannot be cut back from is not built upon.
TEST(failing_disk, half_a_record_that_cannot_be_taken_back_is_replaced_before_the_next)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    auto store = spool::open(file, key_of(1), "tag").value();
    ASSERT_TRUE(store.append(entry("one")));
    {
        const failing_disk disk([](std::string_view call)
                                { return call == "write" || call == "ftruncate" ? ENOSPC : 0; });
        EXPECT_FALSE(store.append(entry("never")));
    }
    EXPECT_EQ(on_disk(file), std::vector<std::string>{"one"});
    ASSERT_TRUE(store.append(entry("two")));
    EXPECT_EQ(on_disk(file), (std::vector<std::string>{"one", "two"}));
}

TEST(failing_disk, sealing_that_cannot_be_written_down_sealed_nothing)
{
    const fresh_directory place;
    const auto file = place.path() / "spool";
    auto store = spool::open(file, key_of(1), "tag").value();
    ASSERT_TRUE(store.append(entry("one")));
    ASSERT_TRUE(store.append(entry("two")));
    const auto seal = [](spool_entry& each) -> result<std::string> { return "sealed " + each.local_id; };
    int calls = 0;
    {
        const failing_disk disk(fails_once(1000, calls));
        ASSERT_TRUE(spool::open(place.path() / "other", key_of(1), "tag")->seal_all(seal));
    }
    for (const auto* call : {"write", "fsync", "rename"})
    {
        const failing_disk disk(fails(call));
        EXPECT_FALSE(store.seal_all(seal)) << call;
        EXPECT_EQ(ids_of(store), on_disk(file)) << call;
        EXPECT_EQ(store.waiting()[0].d, json::value("words of one"));
    }
    ASSERT_TRUE(store.seal_all(seal));
    EXPECT_EQ(on_disk(file), (std::vector<std::string>{"one sealed one", "two sealed two"}));
}

// Goal: memory and disk agree after every failure, and what append() took is never lost.
// Method: random operations on a disk that fails at random; the file is read by another after each of them.
RC_GTEST_PROP(failing_disk, the_spool_and_its_file_agree_after_every_failure, ())
{
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const fresh_directory place;
    const auto file = place.path() / "spool";
    auto store = spool::open(file, key_of(1), "tag").value();
    std::deque<std::string> kept;
    for (int i = 0; i < 20; ++i)
    {
        const auto id = std::to_string(i);
        bool done_unnoted = false;
        {
            // The last resort, cutting the file back, works: a disk that refuses that too is tried above.
            const failing_disk disk([&](std::string_view call) { return call != "ftruncate" && chance(15) ? EIO : 0; });
            if (chance(60))
            {
                if (store.append(entry(id)))
                    kept.push_back(id);
            }
            else if (!store.waiting().empty() && chance(50))
            {
                kept.pop_front();
                done_unnoted = !store.done(1);
            }
            else if (!store.waiting().empty() && store.set_aside())
                kept.pop_front();
        }
        std::vector<std::string> wanted(kept.begin(), kept.end());
        RC_ASSERT(ids_of(store) == wanted);
        auto there = on_disk(file);
        // That something was sent may be forgotten, as the header says; nothing else may.
        RC_ASSERT(there.size() >= wanted.size());
        RC_ASSERT(std::equal(wanted.rbegin(), wanted.rend(), there.rbegin()));
        if (!done_unnoted && there.size() == wanted.size())
            RC_ASSERT(there == wanted);
    }
    RC_ASSERT(store.append(entry("last")));
    kept.push_back("last");
    RC_ASSERT(on_disk(file).back() == "last");
}

TEST(failing_disk, a_replacement_that_fails_leaves_the_old_content)
{
    const fresh_directory place;
    const auto file = place.path() / "a file";
    for (const bool known : {false, true})
    {
        if (known)
            ASSERT_TRUE(replace_file(file, view("old")));
        for (int which = 1;; ++which)
        {
            int count = 0;
            bool failed = false;
            {
                const failing_disk disk(fails_once(which, count));
                failed = !replace_file(file, view("new"));
            }
            if (count < which)
                break;
            if (failed)
            {
                const auto there = read_file(file);
                EXPECT_EQ(there.has_value(), known) << "call " << which;
                EXPECT_TRUE(!known || text(*there) == "old") << "call " << which;
            }
            std::size_t files = 0;
            for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(place.path()))
                ++files;
            EXPECT_LE(files, 1u) << "call " << which << ": nothing is left beside it";
            ASSERT_TRUE(known ? replace_file(file, view("old")) : remove_file(file));
        }
    }
}

// Goal: the gate's numbers of senders and lists of prompts are those of its file, whatever call of the disk fails.
TEST(failing_disk, the_gate_knows_what_its_file_knows)
{
    for (int which = 1;; ++which)
    {
        const fresh_directory place;
        const auto store = keystore::open(place.path()).value();
        const manual_clock clock{1'700'000'000'000};
        const manual_boot_clock spans;
        fake_directory devices;
        const account_id account{run_of<16>(0x10)};
        auto folder = session_folder::create(store, a_record()).value();
        a_page page{account, sid, a_record().data_key};
        devices.add(page.device.public_key());
        page.until = clock.now() + 600'000;
        prompt_gate gate(folder, account, devices, clock, spans);
        int count = 0;
        const auto first = page.prompt("first");
        {
            const failing_disk disk(fails_once(which, count));
            (void)gate.look_at(first.bundle, 1);
            (void)gate.judge();
            if (const auto next = gate.first_to_run())
                gate.done(next->uuid);
            (void)gate.end_turn();
        }
        const auto file = read_file(store.sessions() / "t" / "prompts.json");
        const auto there = file ? std::string(text(*file)) : json::serialize(write_prompts({}));
        EXPECT_EQ(there, json::serialize(write_prompts(folder.prompts()))) << "call " << which;
        if (count < which)
            break;
    }
}

TEST(failing_disk, what_was_said_is_read_back_after_half_an_id)
{
    const fresh_directory place;
    const auto store = keystore::open(place.path()).value();
    const auto id = [](std::uint8_t n) { return run_of<16>(n); };
    {
        auto folder = session_folder::create(store, a_record()).value();
        folder.note_said(id(1));
        folder.note_said(id(2));
        {
            const failing_disk disk(fails("write"));
            folder.note_said(id(3));
        }
        folder.note_said(id(4));
        folder.note_said(id(5));
        folder.unsay(id(5));
        folder.unsay(id(1));
    }
    const auto folder = session_folder::open(store, "t").value();
    EXPECT_EQ(folder.said(), (std::vector{id(1), id(2), id(3), id(4)}));
}

TEST(failing_disk, a_session_goes_to_the_trash_whole_or_stays)
{
    for (int which = 1;; ++which)
    {
        const fresh_directory place;
        const auto store = keystore::open(place.path()).value();
        int count = 0;
        bool went = false;
        {
            auto folder = session_folder::create(store, a_record()).value();
            const failing_disk disk(fails_once(which, count));
            went = folder.dispose(hearsay::not_found, 1).has_value();
        }
        const auto stays = session_folder::open(store, "t").has_value();
        const auto lies = list_trash(store).size() == 1;
        EXPECT_NE(stays, lies) << "call " << which;
        EXPECT_EQ(went, lies) << "call " << which;
        if (count < which)
            break;
    }
}
