#include "commands/adopt.hpp"
#include "commands/compact.hpp"
#include "commands/invite.hpp"
#include "commands/mirror.hpp"
#include "commands/receipt.hpp"
#include "commands/rekey.hpp"
#include "commands/replay.hpp"
#include "commands/verify.hpp"
#include "commands/views.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/log/diagnostics.hpp"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <spdlog/spdlog.h>
#include <thread>

namespace consortium::admin
{
namespace
{

CLI::Option& add_source(CLI::App& command, source_options& source)
{
    auto& data = *command.add_option("--data", source.data, "The relay's data directory")
                      ->envname("CONSORTIUM_DATA_DIR")
                      ->type_name("DIR");
    command.add_option("--witness", source.witness, "Where the head witness lies, if not in DIR")->type_name("FILE");
    command
        .add_option(
            "--secret-file", source.secret_file,
            "File with the master secret. Without it: CONSORTIUM_MASTER_SECRET, then DIR.secret")
        ->type_name("FILE");
    return data;
}

/// What the log has to say goes to standard error: standard output is the answer's.
void set_up_logging()
{
    log::log_to_stderr("admin", "consortium-admin: %*");
    spdlog::set_level(spdlog::level::warn);
}

int run(int argc, char** argv)
{
    CLI::App app{
        "Checks and cares for the log of a Consortium relay.\n"
        "verify, replay and receipt only read; stop the relay first. compact, invite, rekey and views work beside a "
        "running relay,\n"
        "which does what they ask, and without one. mirror is about the Postgres mirror of a running relay. witness "
        "adopt is the last resort for a log that lost something."};
    app.name("consortium-admin");
    app.set_version_flag("--version", "consortium-admin " CONSORTIUM_VERSION);
    app.require_subcommand(1);
    app.footer("Exit status: 0 all is well, 1 something was found, 2 wrong command line, 3 it could not be done.");
    std::function<exit_code()> chosen;

    verify_options verify_wish;
    verify_wish.threads = std::max(1u, std::thread::hardware_concurrency());
    auto& verify_command = *app.add_subcommand(
        "verify", "Check everything: records, tree, witness, files, and the views against a replay");
    add_source(verify_command, verify_wish.source).required();
    verify_command.add_option("--threads", verify_wish.threads, "How many records are opened at once")
        ->type_name("N")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    verify_command
        .add_option(
            "--checkpoint", verify_wish.checkpoint,
            "A signed checkpoint that a client saved: check that the log continues it")
        ->type_name("FILE");
    verify_command.add_flag("--log-only", verify_wish.log_only, "The records, the tree and the witness alone");
    verify_command
        .add_option(
            "--scratch", verify_wish.scratch, "Directory under which the views are rebuilt. Without it: beside DIR")
        ->type_name("DIR");
    verify_command.add_flag("--json", verify_wish.json, "Print JSON");
    verify_command.callback([&] { chosen = [&] { return verify(verify_wish); }; });

    replay_options replay_wish;
    bool check = false;
    auto& replay_command = *app.add_subcommand("replay", "Rebuild the views from the log alone and compare them");
    add_source(replay_command, replay_wish.source).required();
    replay_command.add_flag("--check", check, "Compare with the views the relay serves; keep nothing")->required();
    replay_command
        .add_option("--scratch", replay_wish.scratch, "Directory under which to rebuild. Without it: beside DIR")
        ->type_name("DIR");
    replay_command.add_flag("--json", replay_wish.json, "Print JSON");
    replay_command.callback([&] { chosen = [&] { return replay_check(replay_wish); }; });

    receipt_options receipt_wish;
    auto& receipt_command = *app.add_subcommand("receipt", "Check a deletion receipt and say what it says");
    receipt_command.add_option("FILE", receipt_wish.file, "The receipt; - for standard input")->required();
    auto& receipt_data = add_source(receipt_command, receipt_wish.source);
    auto& receipt_key = *receipt_command.add_option(
        "--key", receipt_wish.key, "The log's key as GET /v1/log/key says it; without it the key in DIR");
    receipt_key.type_name("TEXT");
    receipt_command.callback(
        [&]
        {
            if (receipt_data.count() == 0 && receipt_key.count() == 0)
                throw CLI::RequiredError("--data or --key");
            chosen = [&] { return check_receipt(receipt_wish); };
        });

    source_options compact_wish;
    auto& compact_command = *app.add_subcommand("compact", "Wipe the keys of what was deleted out of every file");
    add_source(compact_command, compact_wish).required();
    compact_command.callback([&] { chosen = [&] { return compact(compact_wish); }; });

    invite_options invite_wish;
    auto& invite_command = *app.add_subcommand("invite", "Make an invitation, with which one account can be made");
    add_source(invite_command, invite_wish.source).required();
    invite_command
        .add_option("--public-url", invite_wish.url, "Where people find the relay; without it a running relay says it")
        ->envname("CONSORTIUM_PUBLIC_URL")
        ->type_name("URL");
    invite_command
        .add_option_function<std::int64_t>(
            "--hours", [&](std::int64_t given) { invite_wish.lifetime = std::chrono::hours(given); },
            "So long it is good, where no relay runs; a running one has a time of its own")
        ->envname("CONSORTIUM_INVITATION_HOURS")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{24 * 365}))
        ->type_name("H")
        ->default_str(std::to_string(invite_wish.lifetime.count()));
    invite_command.callback([&] { chosen = [&] { return invite(invite_wish); }; });

    rekey_options rekey_wish;
    auto& rekey_command = *app.add_subcommand("rekey", "Rotate the master secret");
    rekey_command.footer(
        "The file that held the old secret gets a new one, made by this command. If the old one came from\n"
        "CONSORTIUM_MASTER_SECRET, give the new one in CONSORTIUM_NEW_MASTER_SECRET or --new-secret-file.");
    add_source(rekey_command, rekey_wish.source).required();
    rekey_command
        .add_option("--new-secret-file", rekey_wish.new_secret_file, "File with the new master secret, of your choice")
        ->type_name("FILE");
    rekey_command.callback([&] { chosen = [&] { return rekey(rekey_wish); }; });

    views_options views_wish;
    auto& views_command = *app.add_subcommand("views", "The tables that the relay answers from, derived from the log");
    views_command.require_subcommand(1);
    auto& rebuild_command = *views_command.add_subcommand("rebuild", "Make one anew from the log, or all of them");
    rebuild_command.footer("Until it is made, what needs the table is refused, with a time to ask again.");
    rebuild_command.add_option("TABLE", views_wish.table, "Its name, as verify says it; without it all tables");
    add_source(rebuild_command, views_wish.source).required();
    rebuild_command.callback([&] { chosen = [&] { return rebuild_views(views_wish); }; });

    mirror_options mirror_wish;
    auto& mirror_command = *app.add_subcommand("mirror", "The Postgres mirror of a running relay");
    mirror_command.require_subcommand(1);
    const auto of_mirror = [&](const char* name, const char* what, exit_code (*command)(const mirror_options&))
    {
        auto& added = *mirror_command.add_subcommand(name, what);
        added.add_option("--data", mirror_wish.data, "The relay's data directory")
            ->envname("CONSORTIUM_DATA_DIR")
            ->type_name("DIR")
            ->required();
        added.add_flag("--json", mirror_wish.json, "Print JSON");
        added.callback([&chosen, &mirror_wish, command]
                       { chosen = [&mirror_wish, command] { return command(mirror_wish); }; });
    };
    of_mirror("status", "How far it is, and what went wrong last", mirror_status);
    of_mirror("rebuild", "Empty it and fill it again", mirror_rebuild);
    of_mirror("verify", "Compare every row with the log and the views", mirror_verify);
    std::string role;
    auto& grant_command = *mirror_command.add_subcommand("grant", "Print the SQL that lets a role read it");
    grant_command.add_option("ROLE", role, "A role of Postgres")->required();
    grant_command.callback([&] { chosen = [&] { return mirror_grant(role); }; });

    adopt_options adopt_wish;
    auto& witness_command = *app.add_subcommand("witness", "When acknowledged records are missing");
    witness_command.require_subcommand(1);
    auto& adopt_command = *witness_command.add_subcommand(
        "adopt", "Say what is lost; with --accept-loss, make what is left the log, under a new id");
    add_source(adopt_command, adopt_wish.source).required();
    adopt_command.add_flag("--accept-loss", adopt_wish.accept_loss, "What is lost was read and is accepted");
    adopt_command
        .add_option("--copy", adopt_wish.copy, "Where a copy of DIR lies, made before: it is compared with DIR")
        ->type_name("DIRECTORY");
    adopt_command.callback([&] { chosen = [&] { return adopt(adopt_wish); }; });

    try
    {
        app.parse(argc, argv);
    }
    catch (const CLI::ParseError& wrong)
    {
        return app.exit(wrong) == 0 ? 0 : static_cast<int>(exit_code::usage);
    }
    set_up_logging();
    init_crypto();
    const auto code = chosen();
    std::cout.flush();
    return static_cast<int>(code);
}

} // namespace
} // namespace consortium::admin

int main(int argc, char** argv)
{
    try
    {
        return consortium::admin::run(argc, argv);
    }
    catch (const std::exception& unexpected)
    {
        std::cerr << "consortium-admin: " << consortium::printable(unexpected.what()) << "\n";
        return static_cast<int>(consortium::admin::exit_code::unreadable);
    }
}
