// What the log does on this machine, each figure beside its bare limit in the same run. Prints Markdown.
//
//   ninja -C build/release bench_log
//   build/release/bin/bench_log [--place DIR] append|replay|reads|opening|size|fairness|following ...
//
// docs/performance.md holds the tables.
#include "consortium/common/secret.hpp"
#include "parts.hpp"
#include <CLI/CLI.hpp>
#include <map>

namespace
{

using namespace consortium::bench;

const std::map<std::string, void (*)(const settings&)> parts{
    {"append", measure_append},      {"replay", measure_replay}, {"reads", measure_reads},
    {"opening", measure_opening},    {"size", measure_size},     {"fairness", measure_fairness},
    {"following", measure_following}};

int run(int argc, char** argv)
{
    settings wanted;
    wanted.self = std::filesystem::read_symlink("/proc/self/exe").string();
    std::vector<std::string> chosen;
    bool keep = false;
    CLI::App app{"Measures the log beside its bare limits and prints Markdown tables."};
    app.add_option("parts", chosen, "append, replay, reads, opening, size, fairness, following");
    app.add_option("--place", wanted.place, "Directory to make and to empty. Without it: under the temporary one");
    app.add_option("--rounds", wanted.rounds, "How often each is measured")->capture_default_str();
    app.add_option("--seconds", wanted.round_s, "Length of a round that has none of its own")->capture_default_str();
    app.add_option("--records", wanted.records, "Length of the log; for opening, of the longest")
        ->capture_default_str();
    app.add_option("--batches", wanted.batches, "For append: records a batch to aim at")->capture_default_str();
    app.add_flag("--alone", wanted.alone, "For append: without the bare stores, for a profiler");
    app.add_option("--payload", wanted.payload_bytes, "Bytes of a message")->capture_default_str();
    app.add_option("--log", wanted.kept, "A log that --keep left in DIR/log, for replay, reads and size");
    app.add_flag("--keep", keep, "Leave the directory as it is at the end");
    CLI11_PARSE(app, argc, argv);

    consortium::init_crypto();
    if (chosen == std::vector<std::string>{"write-until-killed"})
    {
        write_until_killed(wanted.place, wanted.records, wanted.payload_bytes);
        return 1;
    }
    const bool own = wanted.place.empty();
    if (own)
        wanted.place = std::filesystem::temp_directory_path() / "consortium-bench-log";
    for (const auto& part : chosen)
    {
        const auto found = parts.find(part);
        if (found == parts.end())
            throw std::runtime_error("there is no part " + part);
        found->second(wanted);
    }
    if (!keep)
        std::filesystem::remove_all(wanted.place);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    try
    {
        return run(argc, argv);
    }
    catch (const std::exception& failed)
    {
        std::fprintf(stderr, "bench_log: %s\n", failed.what());
        return 1;
    }
}
