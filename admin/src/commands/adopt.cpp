#include "commands/adopt.hpp"
#include "consortium/log/adoption.hpp"
#include "consortium/projections/views.hpp"
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

namespace consortium::admin
{
namespace
{

namespace fs = std::filesystem;

bool same_content(const fs::path& left, const fs::path& right)
{
    std::ifstream one(left, std::ios::binary);
    std::ifstream other(right, std::ios::binary);
    return one && other &&
           std::equal(std::istreambuf_iterator<char>(one), {}, std::istreambuf_iterator<char>(other), {}) &&
           !one.bad() && !other.bad();
}

/// Whether `copy` holds every file of `data` as it is now. Table files are never changed once they are written: for
/// them the size says enough.
result<void> check_copy(const fs::path& data, const fs::path& copy)
try
{
    const auto here = fs::canonical(data);
    const auto there = fs::canonical(copy);
    const auto inside = [](const fs::path& outer, const fs::path& inner)
    { return std::ranges::mismatch(outer, inner).in1 == outer.end(); };
    if (inside(here, there) || inside(there, here))
        return fail(errc::bad_request, copy.string() + " is not a place apart from " + data.string());
    for (const auto& entry : fs::recursive_directory_iterator(here))
    {
        if (!entry.is_regular_file())
            continue;
        const auto name = fs::relative(entry.path(), here);
        const auto twin = there / name;
        std::error_code missing;
        if (fs::file_size(twin, missing) != entry.file_size() || missing ||
            (name.extension() != ".sst" && !same_content(entry.path(), twin)))
            return fail(
                errc::bad_request, copy.string() + " is no copy of " + data.string() + " as it is now: " +
                                       name.string() + " is missing there or differs. Nothing was changed.");
    }
    return {};
}
catch (const fs::filesystem_error& failed)
{
    return fail(errc::io, std::string("cannot compare the copy: ") + failed.what());
}

void print(const log::adoption& what)
{
    std::cout << "log      " << to_string(what.before) << "\n"
              << "there    " << count_text(what.head.value, "record");
    if (what.head.value > 0)
        std::cout << ", the newest of " << utc_text(what.time);
    std::cout << "; none before it is missing\n";
    if (!what.witness)
        std::cout << "witness  lost: " << what.why << "\n"
                  << "missing  cannot be told: whatever was acknowledged after the newest record is lost\n";
    else
    {
        std::cout << "witness  up to record " << number_text(what.witness->value) << "\n";
        if (what.missing() > 0)
            std::cout << "missing  record " << number_text(what.head.value + 1) << " to "
                      << number_text(what.witness->value) << ": " << count_text(what.missing(), "record")
                      << " that clients were told had been stored\n";
    }
    if (what.begun)
        std::cout << "state    adopting it was begun before and did not come to its end\n";
    std::cout << "\n";
}

result<void> agree(const adopt_options& options, const log::adoption& what)
{
    print(what);
    if (!options.accept_loss)
        return fail(
            errc::cancelled,
            "Nothing was changed. If there is a backup that holds more, restore it instead. Otherwise copy the "
            "directory to a safe place, then run this again with --accept-loss --copy DIRECTORY (where the copy "
            "lies).");
    // What was begun has changed the files since they were copied.
    if (what.begun)
        return {};
    if (options.copy.empty())
        return fail(
            errc::cancelled, "Nothing was changed. Copy " + options.source.data.string() +
                                 " first, and say with --copy DIRECTORY where the copy lies: what is lost here may "
                                 "still be found in it.");
    return check_copy(options.source.data, options.copy);
}

} // namespace

exit_code adopt(const adopt_options& options)
{
    const auto give_up = [](const error& why)
    {
        print_error(why, /*json=*/false);
        return why == errc::cancelled ? exit_code::findings : exit_code::unreadable;
    };
    if (auto there = check_directory(options.source.data); !there)
        return give_up(there.error());
    if (auto own = check_owner(options.source.data); !own)
        return give_up(own.error());
    const auto wanted = log_options_of(options.source);
    if (!wanted)
        return give_up(wanted.error());
    const auto done =
        log::adopt_log(*wanted, projections::rules(), [&](const log::adoption& what) { return agree(options, what); });
    if (!done && done.error() == errc::conflict)
    {
        std::cout << "Nothing to adopt: " << done.error().detail << ".\n";
        return exit_code::sound;
    }
    if (!done)
        return give_up(done.error());
    std::cout
        << "Adopted: what is left is the log now, under the new id " << to_string(done->after) << ".\n"
        << "Clients read everything anew and say that the relay has a new log; checkpoints and receipts from before "
           "name the\nold id. Run consortium-admin verify, then start the relay. Keep the copy.\n";
    return exit_code::sound;
}

} // namespace consortium::admin
