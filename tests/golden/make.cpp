#include "consortium/common/base64.hpp"
#include "consortium/projections/views.hpp"
#include "golden/description.hpp"
#include "golden/history.hpp"
#include "log/live_copy.hpp"
#include "open_log.hpp"
#include "rocks_store.hpp"
#include <algorithm>
#include <fstream>
#include <iostream>

// Writes golden directories with the format of this version. Run once for a format, never again:
//   golden_make tests/golden/N
namespace
{

using namespace consortium;
using namespace consortium::golden;
namespace fs = std::filesystem;
namespace json = boost::json;

/// What the log at `directory` holds, as tests/golden/N/*/expected.json.
void write_expected(const fs::path& directory, const fs::path& data)
{
    log::log_options options;
    options.directory = data;
    options.master_secret = master_secret;
    const auto scratch = fs::temp_directory_path() / ("golden-" + to_string(log_id{make_uuid_v4()}));
    fs::copy(data, scratch, fs::copy_options::recursive);
    options.directory = scratch;
    json::object out;
    {
        waiting_sink sink;
        const manual_clock clock(0);
        const auto opened = log::open_log(options, projections::rules(), sink, clock).value();
        out["log"] = to_string(opened->id());
        out["keptRecords"] = opened->opened().kept_records;
        out["keys"] = describe(opened->keys());
    }
    const auto reader = log::open_log_reader(options, projections::rules()).value();
    const auto report = reader->verify(1).value();
    out["records"] = report.records;
    out["shredded"] = report.shredded;
    out["root"] = hex_encode(report.root);
    out["types"] = count_types(*reader->read());
    out["checkpoint"] = reader->read()->checkpoint();
    // A line for each thing said, for whoever looks at a difference.
    std::ofstream file(directory / "expected.json");
    const auto head = json::serialize(out);
    file << head.substr(0, head.size() - 1) << ",\n\"says\":[\n";
    std::string_view between;
    for (const auto& one : describe(*reader->read()))
    {
        file << std::exchange(between, ",\n") << json::serialize(one);
    }
    file << "\n]}\n";
    fs::remove_all(scratch);
}

/// RocksDB describes itself in 90 KB of OPTIONS at every opening, which it does not read here: one of them is enough.
void drop_old_options(const fs::path& database)
{
    std::vector<fs::path> options;
    for (const auto& entry : fs::directory_iterator(database))
        if (entry.path().filename().string().starts_with("OPTIONS"))
            options.push_back(entry.path());
    std::ranges::sort(options);
    for (std::size_t i = 0; i + 1 < options.size(); ++i)
        fs::remove(options[i]);
}

/// `killed`: the directory as the process left it that died before it could tell anybody of its last record, with all
/// its records in the write-ahead log. Otherwise some of them in table files, and closed in order.
void make(const fs::path& directory, bool killed)
{
    fs::create_directories(directory);
    const auto live = directory / "live";
    const auto data = directory / "data";
    log::log_options options;
    options.directory = live;
    options.master_secret = master_secret;
    waiting_sink sink;
    manual_clock clock(1'767'225'600'000);
    log::rocks_store* store = nullptr;
    std::atomic<bool> last = false;
    log::seams below;
    below.opened = [&](log::rocks_store& opened) { store = &opened; };
    below.reached = [&](log::crash_point point)
    {
        if (killed && last && point == log::crash_point::after_wal_sync)
            log::testing::copy_live(live, data);
    };
    {
        const auto log = log::open_log_over(options, projections::rules(), sink, clock, below).value();
        const auto halfway = [&]
        {
            if (std::atomic<bool> stop = false; !killed && !store->compact_keys(stop))
                throw std::runtime_error("cannot compact");
        };
        write_history(*log, sink, clock, halfway, [&] { last = true; });
        log->close();
    }
    if (killed)
        fs::remove_all(live);
    else
        fs::rename(live, data);
    drop_old_options(data / "db");
    write_expected(directory, data);
}

} // namespace

int main(int count, char** args)
try
{
    if (count != 2 || fs::exists(args[1]))
    {
        std::cerr << "usage: golden_make NEW-DIRECTORY\n";
        return 2;
    }
    const fs::path out(args[1]);
    make(out / "closed", /*killed=*/false);
    make(out / "killed", /*killed=*/true);
    return 0;
}
catch (const std::exception& failure)
{
    std::cerr << failure.what() << "\n";
    return 1;
}
