#include "consortium/common/base64.hpp"
#include "consortium/common/merkle.hpp"
#include "consortium/projections/rebuild.hpp"
#include "consortium/projections/views.hpp"
#include "golden/description.hpp"
#include "golden/history.hpp"
#include "log/await_views.hpp"
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>

/// Directories that earlier versions wrote: each later one opens them, and they say what they said.
namespace consortium::golden
{
namespace
{

namespace fs = std::filesystem;
namespace json = boost::json;

std::string content_of(const fs::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> contents(const fs::path& directory)
{
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(directory))
        if (entry.is_regular_file())
            out[fs::relative(entry.path(), directory).string()] = content_of(entry.path());
    return out;
}

class golden_test : public ::testing::TestWithParam<fs::path>
{
protected:
    golden_test()
    {
        auto name = (fs::temp_directory_path() / "consortium-golden-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        place_ = name;
        fs::copy(GetParam() / "data", place_ / "data", fs::copy_options::recursive);
        options_.directory = place_ / "data";
        options_.master_secret = master_secret;
        options_.create = false;
        expected_ = json::parse(content_of(GetParam() / "expected.json")).as_object();
    }
    ~golden_test() override { fs::remove_all(place_); }

    std::uint64_t number(std::string_view name) const { return expected_.at(name).to_number<std::uint64_t>(); }

    void expect_says(const log::snapshot& at) const
    {
        const auto now = describe(at);
        const auto& then = expected_.at("says").as_array();
        ASSERT_EQ(now.size(), then.size());
        for (std::size_t i = 0; i < now.size(); ++i)
            EXPECT_EQ(json::serialize(now[i]), json::serialize(then[i]));
        EXPECT_EQ(json::serialize(count_types(at)), json::serialize(expected_.at("types")));
    }

    /// Verifies and replays the directory as it is now; `records` more than the golden one.
    void expect_sound(std::uint64_t more) const
    {
        const auto reader = log::open_log_reader(options_, projections::rules());
        ASSERT_TRUE(reader) << reader.error().detail;
        EXPECT_EQ(to_string((*reader)->id()), expected_.at("log").as_string());
        const auto report = (*reader)->verify(2);
        ASSERT_TRUE(report) << report.error().detail;
        for (const auto& finding : report->findings)
            ADD_FAILURE() << "lsn " << finding.number.value << ": " << finding.what;
        EXPECT_EQ(report->records, number("records") + more);
        EXPECT_EQ(report->shredded, number("shredded"));
        expect_proofs(**reader);
        if (const auto* note = expected_.if_contains("checkpoint"))
            expect_holds(**reader, std::string(note->as_string()));
        if (more == 0)
        {
            EXPECT_EQ(hex_encode(report->root), expected_.at("root").as_string());
            expect_says(*(*reader)->read());
        }
        const auto compared = projections::compare_rebuilt_views(**reader, place_ / "scratch");
        ASSERT_TRUE(compared) << compared.error().detail;
        EXPECT_EQ(compared->events, number("records") + more);
        for (const auto& table : compared->tables)
            EXPECT_TRUE(table.equal()) << table.table;
    }

    /// The log goes on from what it signed when the directory was made.
    static void expect_holds(const log::log_reader& reader, const std::string& note)
    {
        const auto at = reader.read();
        const auto said = open_checkpoint(note, reader.checkpoint_key()).value();
        const auto now = open_checkpoint(at->checkpoint(), reader.checkpoint_key()).value();
        const auto path = at->prove_consistency(said.size, now.size).value();
        EXPECT_TRUE(merkle::verify_consistency(said.size, now.size, said.root, now.root, path));
    }

    /// Every record stands in the tree that the log signs, whichever version wrote it.
    static void expect_proofs(const log::log_reader& reader)
    {
        const auto at = reader.read();
        const auto signed_head = open_checkpoint(at->checkpoint(), reader.checkpoint_key());
        ASSERT_TRUE(signed_head) << signed_head.error().detail;
        ASSERT_EQ(signed_head->size, at->head().value);
        for (lsn number{1}; number <= at->head(); number = number.next())
        {
            const auto proof = at->prove(number, signed_head->size);
            ASSERT_TRUE(proof) << proof.error().detail;
            EXPECT_TRUE(merkle::verify_inclusion(
                proof->leaf(), proof->index(), signed_head->size, proof->path, signed_head->root))
                << "lsn " << number.value;
        }
    }

    fs::path place_;
    log::log_options options_;
    json::object expected_;
};

} // namespace

// Goal: a tool reads what an earlier version wrote, and leaves it as it is; or says that the relay must bring the views
// up to date.
TEST_P(golden_test, is_read_without_a_change)
{
    const auto before = contents(place_);
    if (const auto reader = log::open_log_reader(options_, projections::rules()); reader)
        expect_says(*(*reader)->read());
    else
        EXPECT_EQ(reader.error(), errc::unavailable) << reader.error().detail;
    EXPECT_EQ(contents(place_), before);
}

// Goal: this version opens the directory, finds every record, key and view as they were, and goes on writing.
TEST_P(golden_test, is_opened_for_ever)
{
    const manual_clock clock(1'900'000'000'000);
    {
        waiting_sink sink;
        const auto opened = log::open_log(options_, projections::rules(), sink, clock);
        ASSERT_TRUE(opened) << opened.error().detail;
        EXPECT_EQ((*opened)->read()->head().value, number("records"));
        EXPECT_EQ((*opened)->opened().kept_records, number("keptRecords"));
        auto keys = expected_.at("keys").as_object();
        keys.erase("challenge"); // which older versions made for their logins
        EXPECT_EQ(json::serialize(describe((*opened)->keys())), json::serialize(keys));
        log::testing::await_views(**opened, projections::rules());
        expect_says(*(*opened)->read());
    }
    expect_sound(0);
    {
        waiting_sink sink;
        const auto opened = log::open_log(options_, projections::rules(), sink, clock);
        ASSERT_TRUE(opened) << opened.error().detail;
        write_one_more(**opened, sink);
    }
    expect_sound(1);
}

// Goal: the directory in the repository has every type of event there is, so that none is forgotten when one is added.
TEST(golden_history, has_every_type_of_event)
{
    std::set<std::string> seen;
    for (const auto& version : fs::directory_iterator(CONSORTIUM_GOLDEN))
        if (version.is_directory())
            for (const auto& variant : fs::directory_iterator(version.path()))
                for (const auto& [type, count] :
                     json::parse(content_of(variant.path() / "expected.json")).at("types").as_object())
                    seen.insert(type);
    for (std::uint16_t type = 1; log::is_known(log::event_type{type}); ++type)
        EXPECT_TRUE(seen.contains(std::string(log::name(log::event_type{type})))) << log::name(log::event_type{type});
}

std::vector<fs::path> golden_directories()
{
    std::vector<fs::path> out;
    for (const auto& version : fs::directory_iterator(CONSORTIUM_GOLDEN))
        if (version.is_directory())
            for (const auto& variant : fs::directory_iterator(version.path()))
                out.push_back(variant.path());
    std::ranges::sort(out);
    return out;
}

INSTANTIATE_TEST_SUITE_P(
    directories, golden_test, ::testing::ValuesIn(golden_directories()), [](const auto& info)
    { return "of_" + info.param.parent_path().filename().string() + "_" + info.param.filename().string(); });

} // namespace consortium::golden
