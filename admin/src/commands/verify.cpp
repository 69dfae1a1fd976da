#include "commands/verify.hpp"
#include "claims.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/projections/rebuild.hpp"
#include <boost/json.hpp>
#include <iostream>

namespace consortium::admin
{
namespace
{

/// A checkpoint that was brought along, and what the log says to it.
struct claim
{
    checkpoint said;
    std::optional<std::string> contradiction;
};

result<claim> check_claim(const log::log_reader& source, const std::filesystem::path& file)
{
    const auto note = read_note(file);
    if (!note)
        return std::unexpected(note.error());
    auto said = open_checkpoint(*note, signer_of(*note, source.checkpoint_key()));
    if (!said && said.error() == errc::corrupt)
        return claim{.said = {}, .contradiction = "this log's key did not sign it: " + said.error().detail};
    if (!said)
        return fail(said.error().code, file.string() + ": " + said.error().detail);
    auto contradiction = find_contradiction(source, *said);
    if (!contradiction)
        return std::unexpected(contradiction.error());
    return claim{.said = std::move(*said), .contradiction = std::move(*contradiction)};
}

/// What is checked beside the log itself.
struct others
{
    log::log_reader::file_report files;
    std::size_t tables = 0;
    std::vector<std::string> findings; ///< of files and views
};

/// Of damage that it meets.
constexpr std::string_view heals = ". The relay makes it anew when it needs it.";
/// What nobody can meet: it opens, and is wrong.
constexpr std::string_view mends = "Once the directory is copied: consortium-admin views rebuild ";

result<others> check_others(const log::log_reader& source, const std::filesystem::path& scratch)
{
    auto files = source.verify_files();
    if (!files)
        return std::unexpected(files.error());
    others out{.files = std::move(*files), .tables = 0, .findings = {}};
    for (const auto& found : out.files.findings)
        out.findings.push_back(found.what);
    const auto views = projections::compare_rebuilt_views(source, scratch);
    if (!views)
        return std::unexpected(views.error());
    out.tables = views->tables.size();
    for (const auto& table : views->tables)
        if (!table.damage.empty())
            out.findings.push_back(table.damage + std::string(heals));
        else if (!table.equal())
            out.findings.push_back(
                "view table '" + table.table + "' does not say what the log says. " + std::string(mends) + table.table);
    return out;
}

void print_json(
    const log::log_reader& source, const log::log_reader::report& report, const std::optional<others>& beside_log,
    const std::optional<claim>& saved)
{
    boost::json::value about = nullptr;
    if (saved)
        about = boost::json::object{{"size", saved->said.size}, {"contained", !saved->contradiction}};
    boost::json::array findings;
    for (const auto& finding : report.findings)
        findings.push_back(boost::json::object{{"lsn", finding.number.value}, {"what", finding.what}});
    boost::json::value files = nullptr;
    boost::json::value tables = nullptr;
    if (beside_log)
    {
        files = beside_log->files.files;
        tables = beside_log->tables;
        for (const auto& found : beside_log->findings)
            findings.push_back(boost::json::object{{"lsn", 0}, {"what", found}});
    }
    std::cout << boost::json::serialize(boost::json::object{
                     {"sound", findings.empty()},
                     {"checkpoint", std::move(about)},
                     {"log", to_string(source.id())},
                     {"records", report.records},
                     {"shredded", report.shredded},
                     {"bytes", report.bytes},
                     {"witness", report.witness.value},
                     {"root", hex_encode(report.root)},
                     {"files", std::move(files)},
                     {"tables", std::move(tables)},
                     {"findings", std::move(findings)}})
              << "\n";
}

/// A finding without the name of the record it begins with: the line says it already.
std::string what_of(const log::log_reader::finding& finding)
{
    const auto own_name = "lsn " + std::to_string(finding.number.value) + ": ";
    std::string_view what = finding.what;
    if (what.starts_with(own_name))
        what.remove_prefix(own_name.size());
    return printable(what);
}

void print_text(
    const log::log_reader& source, const log::log_reader::report& report, const std::optional<others>& beside_log,
    const std::optional<claim>& saved, std::chrono::nanoseconds took, std::size_t threads)
{
    std::cout << "log      " << to_string(source.id()) << "\n"
              << "records  " << number_text(report.records);
    if (report.shredded > 0)
        std::cout << ", of which " << number_text(report.shredded) << " shredded: deleted, their keys destroyed";
    std::cout << "\n"
              << "size     " << size_text(report.bytes) << "\n"
              << "witness  up to record " << number_text(report.witness.value) << "\n"
              << "root     " << hex_encode(report.root) << "\n";
    if (beside_log)
        std::cout << "files    " << number_text(beside_log->files.files) << ", " << size_text(beside_log->files.bytes)
                  << "\n"
                  << "views    " << count_text(beside_log->tables, "table") << ", held against a replay\n";
    std::cout << (saved && !saved->contradiction ? "saved    a checkpoint up to record " +
                                                       number_text(saved->said.size) + ", which the log continues\n"
                                                 : "")
              << "time     " << time_text(took) << " on " << count_text(threads, "thread") << "\n\n";
    const auto count = report.findings.size() + (beside_log ? beside_log->findings.size() : 0);
    if (count == 0)
    {
        std::cout << "Sound: no record is missing, each fits its commitments and opens unless its key was destroyed, "
                     "and the\n"
                     "tree over them fits the stored one and the witness.";
        std::cout
            << (beside_log ? "\nEvery file has its checksums, and the views say what the log says.\n"
                           : "\nFiles and views were not looked at.\n");
        return;
    }
    for (const auto& finding : report.findings)
        if (finding.number.value == 0)
            std::cout << "  the log: " << printable(finding.what) << "\n";
        else
            std::cout << "  record " << number_text(finding.number.value) << ": " << what_of(finding) << "\n";
    if (beside_log)
        for (const auto& found : beside_log->findings)
            std::cout << "  " << printable(found) << "\n";
    std::cout << "\nNot sound: " << count_text(count, "finding")
              << ". Nothing was changed. Copy the directory before you do anything else with it.\n";
}

} // namespace

exit_code verify(const verify_options& options)
{
    const auto start = std::chrono::steady_clock::now();
    const auto give_up = [&](const error& why)
    {
        print_error(why, options.json);
        // Acknowledged records that are missing are a finding; what could not be read says nothing.
        return why == errc::log_truncated ? exit_code::findings : exit_code::unreadable;
    };
    const auto source = open_source(options.source);
    if (!source)
        return give_up(source.error());
    std::optional<claim> saved;
    if (!options.checkpoint.empty())
    {
        auto checked = check_claim(**source, options.checkpoint);
        if (!checked)
            return give_up(checked.error());
        saved = std::move(*checked);
    }
    auto report = (*source)->verify(options.threads);
    if (!report)
        return give_up(report.error());
    if (saved && saved->contradiction)
        report->findings.insert(report->findings.begin(), {{}, "the saved checkpoint: " + *saved->contradiction});
    // Views are not made from a log that is not sound.
    std::optional<others> beside_log;
    if (!options.log_only && report->findings.empty())
    {
        auto checked = check_others(**source, scratch_directory(options.source, options.scratch));
        if (!checked)
            return give_up(checked.error());
        beside_log = std::move(*checked);
    }
    if (options.json)
        print_json(**source, *report, beside_log, saved);
    else
        print_text(**source, *report, beside_log, saved, std::chrono::steady_clock::now() - start, options.threads);
    const bool sound = report->findings.empty() && (!beside_log || beside_log->findings.empty());
    return sound ? exit_code::sound : exit_code::findings;
}

} // namespace consortium::admin
