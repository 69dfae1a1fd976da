#include "log/live_copy.hpp"
#include "log/log_fixture.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <random>
#include <regex>
#include <thread>

namespace consortium::log
{
namespace
{

namespace fs = std::filesystem;
using namespace testing;
using namespace std::chrono_literals;

constexpr auto long_enough = 60s;

int rounds_of_each_kind()
{
    return std::getenv("CONSORTIUM_FULL") != nullptr ? 1500 : 80;
}

class damage_drill : public log_fixture
{
protected:
    damage_drill()
    {
        below.opened = [this](rocks_store& opened) { store = &opened; };
    }

    /// A history with deletions, as three ends leave it.
    void write_history()
    {
        open();
        // Its two files are moved down as they are, and both have a row: see view_healing_test, `..._within_a_row_...`.
        ASSERT_TRUE(store->db().SetOptions(store->view(table_cells), {{"disable_auto_compactions", "true"}}).ok());
        make_session();
        for (std::uint8_t i = 2; i < 6; ++i)
            ASSERT_TRUE(run(create_session(ann, session_of(i))));
        for (int i = 0; i < 60; ++i)
            ASSERT_TRUE(run(say(ann, session_of(static_cast<std::uint8_t>(1 + i % 5)), {std::string(300, 'A'), "b"})));
        ASSERT_TRUE(run(delete_session(ann, session_of(3))));
        copy_live(options.directory, place.path() / "killed");
        for (auto* family : families())
            ASSERT_TRUE(store->db().Flush({}, family).ok());
        ASSERT_TRUE(run(say(ann, talk, {"after the flush"})));
        copy_live(options.directory, place.path() / "flushed");
        for (auto* family : families())
        {
            ASSERT_TRUE(store->db().Flush({}, family).ok());
            ASSERT_TRUE(store->db().CompactRange({}, family, nullptr, nullptr).ok());
        }
        log->close();
        log.reset();
        fs::rename(options.directory, place.path() / "compacted");
        options.directory = place.path() / "damaged";
        options.create = false;
    }
    std::vector<rocksdb::ColumnFamilyHandle*> families() const
    {
        std::vector<rocksdb::ColumnFamilyHandle*> out{store->log(), store->keys(), store->meta(), store->tree()};
        for (table_id table = 0; table < rules.tables().size(); ++table)
            out.push_back(store->view(table));
        return out;
    }

    struct truth
    {
        std::vector<event> events;
        std::vector<digest256> tables;
    };
    truth read_all() const
    {
        const auto at = log->read();
        truth out{.events = at->read(lsn{1}, 10'000).value(), .tables = {}};
        for (table_id table = 0; table < rules.tables().size(); ++table)
            out.tables.push_back(table_digest(*at, table));
        return out;
    }

    /// Whether a tool finds anything.
    bool is_found()
    {
        const auto tool = open_log_reader(options, rules);
        if (!tool)
            return true;
        if (!(*tool)->verify(1)->findings.empty() || !(*tool)->verify_files()->findings.empty())
            return true;
        const auto at = (*tool)->read();
        const auto scratch = open_scratch_views(place.path() / "replayed", **tool, rules).value();
        try
        {
            for (const auto& happened : at->read(lsn{1}, 10'000).value())
                rules.fold(happened, scratch->rows());
            scratch->finish();
            for (table_id table = 0; table < rules.tables().size(); ++table)
                if (table_digest(*at, table) != table_digest(scratch->rows(), table))
                    return true;
        }
        catch (const std::exception&)
        {
            return true;
        }
        return false;
    }
    struct service
    {
        std::string refused; ///< the first error of a read
        std::string wrong;   ///< something else was served than what was written
    };
    /// How the opened log serves what it held. A table that is broken is waited for.
    service ask_for_all(const truth& expected) const
    {
        const auto at = log->read();
        if (at->head().value < expected.events.size())
            return {.refused = {}, .wrong = "records are missing"};
        for (const auto& happened : expected.events)
        {
            const auto found = at->read(happened.number);
            if (!found)
                return {.refused = found.error().detail, .wrong = {}};
            if (*found != happened)
                return {.refused = {}, .wrong = "another event at lsn " + std::to_string(happened.number.value)};
        }
        const auto end = std::chrono::steady_clock::now() + long_enough;
        for (table_id table = 0; table < rules.tables().size(); ++table)
            for (;;)
            {
                try
                {
                    if (table_digest(*log->read(), table) != expected.tables[table])
                        return {.refused = {}, .wrong = "other rows in table " + std::string(rules.tables()[table])};
                    break;
                }
                catch (const log_failure& failure)
                {
                    if (failure.reason != errc::unavailable || std::chrono::steady_clock::now() > end)
                        return {.refused = failure.reason.detail, .wrong = {}};
                    std::this_thread::sleep_for(2ms);
                }
            }
        return {};
    }

    rocks_store* store = nullptr;
};

/// Whether an operator can tell from it where the damage is.
bool names_the_place(const std::string& message)
{
    static const std::regex place(R"(/[\w.]|\blsn \d|\brelay\.json\b)");
    return std::regex_search(message, place);
}

/// And what to do.
bool names_the_next_step(const std::string& message)
{
    static const std::regex step(
        R"(\b[Rr]estore (it|the newest backup)\b|\bconsortium-admin [a-z]|\bStart the version that wrote it\b)");
    return std::regex_search(message, step);
}

// Goal: whatever single damage befalls a directory, it is harmless, or found by the tool and by the opening (or by the
// read that meets it), or it heals. Never is anything else served than what was written, and never is refused what the
// tool called sound.
TEST_F(damage_drill, a_damaged_directory_is_refused_or_serves_what_was_written)
{
    const auto seed = std::random_device()();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    write_history();
    std::size_t served = 0;
    std::size_t refused = 0;
    for (const auto* how : {"killed", "flushed", "compacted"})
    {
        const auto image = place.path() / how;
        const auto renew = [&]
        {
            log.reset();
            fs::remove_all(options.directory);
            fs::remove_all(place.path() / "replayed");
            fs::copy(image, options.directory, fs::copy_options::recursive);
        };
        renew();
        open();
        const auto expected = read_all();
        std::vector<fs::path> files;
        renew();
        for (const auto& entry : fs::recursive_directory_iterator(options.directory))
            if (entry.is_regular_file() && entry.file_size() > 0)
                files.push_back(fs::relative(entry.path(), options.directory));
        std::ranges::sort(files);
        for (int round = 0; round < rounds_of_each_kind(); ++round)
        {
            renew();
            const auto& name = files[static_cast<std::size_t>(random() % files.size())];
            const auto file = options.directory / name;
            const auto where = random() % fs::file_size(file);
            const bool cut = random() % 4 == 0;
            SCOPED_TRACE(
                std::string(how) + ", " + name.string() + (cut ? " cut at " : " flipped at ") + std::to_string(where));
            if (cut)
                fs::resize_file(file, where);
            else
            {
                std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
                bytes.seekg(static_cast<std::streamoff>(where));
                const auto before = static_cast<char>(bytes.get());
                bytes.seekp(static_cast<std::streamoff>(where));
                bytes.put(static_cast<char>(before ^ static_cast<char>(1 << random() % 8)));
            }
            const bool found = is_found();
            fs::remove_all(place.path() / "replayed");
            sink = std::make_unique<test_sink>();
            auto opened = open_log_over(options, rules, *sink, clock, below);
            clock.advance(25h);
            if (!opened)
            {
                ++refused;
                EXPECT_TRUE(found) << "was called sound and is refused: " << opened.error().detail;
                EXPECT_TRUE(names_the_place(opened.error().detail)) << opened.error().detail;
                EXPECT_TRUE(names_the_next_step(opened.error().detail)) << opened.error().detail;
                continue;
            }
            ++served;
            log = std::move(*opened);
            const auto got = ask_for_all(expected);
            EXPECT_EQ(got.wrong, "");
            EXPECT_TRUE(got.refused.empty() || found) << "was called sound: " << got.refused;
            EXPECT_TRUE(got.refused.empty() || names_the_place(got.refused)) << got.refused;
            EXPECT_TRUE(sink->failures().empty());
        }
    }
    std::cout << served << " served, " << refused << " refused\n";
}

} // namespace
} // namespace consortium::log
