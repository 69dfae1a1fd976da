#include "commands/rekey.hpp"
#include "consortium/log/master_secret.hpp"
#include "control_client.hpp"
#include <cstdlib>
#include <iostream>

namespace consortium::admin
{
namespace
{

namespace fs = std::filesystem;

struct rotation
{
    std::string from;
    std::string to;
    std::optional<fs::path> replaced; ///< the file that will say the new secret
    bool from_environment = false;
    bool made = false; ///< the new secret is of our making
};

/// Empty: nobody gave one.
result<std::optional<std::string>> given_secret(const rekey_options& options)
{
    if (!options.new_secret_file.empty())
    {
        auto out = read_secret(options.new_secret_file);
        if (!out)
            return std::unexpected(out.error());
        return std::move(*out);
    }
    if (const auto* given = std::getenv("CONSORTIUM_NEW_MASTER_SECRET"); given != nullptr && *given != '\0')
        return given;
    return std::nullopt;
}

result<rotation> plan(const rekey_options& options)
{
    const auto old = find_secret(options.source);
    if (!old)
        return std::unexpected(old.error());
    auto given = given_secret(options);
    if (!given)
        return std::unexpected(given.error());
    rotation out{.from = old->value, .to = {}, .replaced = {}, .from_environment = !old->file, .made = !*given};
    if (out.from_environment && out.made)
        return fail(
            errc::bad_request,
            "the master secret came from CONSORTIUM_MASTER_SECRET, so the new one must come from you: set "
            "CONSORTIUM_NEW_MASTER_SECRET, or name a file that holds it with --new-secret-file (at least " +
                std::to_string(log::master_secret_bytes_min) + " characters). Nothing was changed.");
    out.to = out.made ? log::make_master_secret() : std::move(**given);

    std::error_code bad;
    if (old->file)
    {
        out.replaced = fs::canonical(*old->file, bad);
        if (bad)
            return fail(errc::io, old->file->string() + ": " + bad.message());
    }
    // A start without the environment variable reads this file: it must not go on saying what opens nothing.
    const auto usual = beside(options.source.data, ".secret");
    if (const auto held = fs::exists(usual, bad) ? read_secret(usual) : fail(errc::not_found, {}); held == out.from)
    {
        const auto path = fs::canonical(usual, bad);
        if (out.replaced && *out.replaced != path)
            return fail(
                errc::conflict, usual.string() + " holds the same secret, and it is the one that the relay reads: "
                                                 "leave --secret-file away. Nothing was changed.");
        out.replaced = path;
    }
    return out;
}

/// True: a running relay did it.
result<bool> carry_out(const source_options& source, const rotation& what)
{
    boost::json::object command{{"command", "rekey"}, {"old", what.from}, {"new", what.to}, {"secretFile", nullptr}};
    if (what.replaced)
        command["secretFile"] = what.replaced->string();
    return do_or_ask(source.data, [&] { return log::rekey(source.data, what.from, what.to, what.replaced); }, command);
}

void tell(const source_options& source, const rotation& what, bool by_relay)
{
    std::cout << "The master secret of " << source.data.string() << " was rotated"
              << (by_relay ? "; the relay went on serving.\n" : ".\n");
    if (what.replaced)
        std::cout << what.replaced->string() << " holds the new one" << (what.made ? ", made just now" : "")
                  << ". Keep a copy of it elsewhere: without it the log cannot be opened.\n";
    if (what.from_environment)
        std::cout << "Before the next start of the relay: set CONSORTIUM_MASTER_SECRET to the new secret, wherever it "
                     "is set now.\n";
    std::cout << "The old secret no longer opens this directory. It still opens copies that were made of it before.\n";
}

} // namespace

exit_code rekey(const rekey_options& options)
{
    const auto there = check_directory(options.source.data);
    const auto wanted = there ? plan(options) : std::unexpected(there.error());
    const auto done = wanted ? carry_out(options.source, *wanted) : std::unexpected(wanted.error());
    if (!done)
    {
        print_error(done.error(), /*json=*/false);
        return exit_code::unreadable;
    }
    tell(options.source, *wanted, *done);
    return exit_code::sound;
}

} // namespace consortium::admin
