#include "commands/replay.hpp"
#include "commands/verify.hpp"
#include "consortium/common/secret.hpp"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <thread>

namespace consortium::admin
{
namespace
{

void add_source(CLI::App& command, source_options& source)
{
    command.add_option("--data", source.data, "The relay's data directory")
        ->envname("CONSORTIUM_DATA_DIR")
        ->type_name("DIR")
        ->required();
    command.add_option("--witness", source.witness, "Where the head witness lies, if not in DIR")->type_name("FILE");
    command
        .add_option(
            "--secret-file", source.secret_file,
            "File with the master secret. Without it: CONSORTIUM_MASTER_SECRET, then DIR.secret")
        ->type_name("FILE");
}

int run(int argc, char** argv)
{
    CLI::App app{"Checks the log of a Consortium relay. Stop the relay first; nothing is ever changed."};
    app.name("consortium-admin");
    app.set_version_flag("--version", "consortium-admin " CONSORTIUM_VERSION);
    app.require_subcommand(1);
    app.footer("Exit status: 0 all is well, 1 something was found, 2 wrong command line, 3 the log cannot be read.");

    verify_options verify_wish;
    verify_wish.threads = std::max(1u, std::thread::hardware_concurrency());
    auto& verify_command =
        *app.add_subcommand("verify", "Open every record; check numbers, commitments, the tree and the witness");
    add_source(verify_command, verify_wish.source);
    verify_command.add_option("--threads", verify_wish.threads, "How many records are opened at once")
        ->type_name("N")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    verify_command.add_flag("--json", verify_wish.json, "Print JSON");

    replay_options replay_wish;
    bool check = false;
    auto& replay_command = *app.add_subcommand("replay", "Rebuild the views from the log alone and compare them");
    add_source(replay_command, replay_wish.source);
    replay_command.add_flag("--check", check, "Compare with the views the relay serves; keep nothing")->required();
    replay_command
        .add_option("--scratch", replay_wish.scratch, "Directory under which to rebuild. Without it: beside DIR")
        ->type_name("DIR");
    replay_command.add_flag("--json", replay_wish.json, "Print JSON");

    try
    {
        app.parse(argc, argv);
    }
    catch (const CLI::ParseError& wrong)
    {
        return app.exit(wrong) == 0 ? 0 : static_cast<int>(exit_code::usage);
    }
    init_crypto();
    const auto code = verify_command.parsed() ? verify(verify_wish) : replay_check(replay_wish);
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
        std::cerr << "consortium-admin: " << unexpected.what() << "\n";
        return static_cast<int>(consortium::admin::exit_code::unreadable);
    }
}
