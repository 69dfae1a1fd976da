#include "base/host.hpp"
#include "commands/commands.hpp"
#include "commands/first_run.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/common/utf8.hpp"
#include "drivers/claude/conversation.hpp"
#include "drivers/claude/deny_rules.hpp"
#include "drivers/claude/locate.hpp"
#include "drivers/claude/transcript.hpp"
#include "session/leftovers.hpp"
#include "session/session_runner.hpp"
#include "storage/membership.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <ranges>
#include <unistd.h>

namespace consortium::agent
{
namespace
{

/// Ctrl-C is for the session; being asked to go by the system ends it in order.
void listen_for_signals(asio::signal_set& signals, session_runner& runner)
{
    signals.async_wait(
        [&](const boost::system::error_code& problem, int number)
        {
            if (problem)
                return;
            if (number == SIGINT)
                runner.interrupt();
            else
                runner.end("asked to end by the system", ending::system);
            listen_for_signals(signals, runner);
        });
}

struct chosen_session
{
    session_folder folder;
    bool resumed = false;                ///< it was there before
    std::vector<std::string> for_claude; ///< without what chose it
};

/// What a person may have meant who named no session: a line for each, its id first.
void say_sessions_to_name(surroundings& with, const identity& who)
{
    constexpr std::size_t shown_max = 10;
    with.out.text("--resume needs the id of a session or of a conversation of Claude Code.");
    auto known = sessions_of(with.store, std::filesystem::current_path().string(), who);
    std::erase_if(known, [](const session_record& each) { return each.session_id.empty(); });
    if (known.empty())
        return with.out.text("This machine has no session of this folder that the relay knows.");
    with.out.text("Sessions of this folder, the newest first, and when they were begun:");
    for (const auto& each : known | std::views::take(shown_max))
        with.out.text(
            "  " + foreign(each.session_id) + "  " + foreign(iso_time(each.created)) +
            (each.ended ? own_text("  ended") : own_text("  not ended")));
    if (known.size() > shown_max)
        with.out.text("  and " + foreign(std::to_string(known.size() - shown_max)) + " older ones");
    with.out.text("`consortium --resume ID` goes on with one.");
}

asio::awaitable<result<chosen_session>> choose_session(
    surroundings& with, relay_client& relay, device_book& book, const identity& who, const command_line& wanted,
    const std::vector<std::string>& environment)
{
    using kind = claude::conversation_choice::kind;
    const auto directory = std::filesystem::current_path().string();
    auto choice = claude::read_choice(wanted.for_claude);
    if (choice.what == kind::newest)
    {
        const auto newest = claude::newest_conversation(environment, directory);
        if (!newest)
            co_return fail(
                errc::not_found, "No conversation of Claude Code is known in this folder. `consortium` begins one, and "
                                 "`consortium --resume ID` goes on with one that you name.");
        choice.id = *newest;
    }
    session_record record;
    if (!choice.id.empty() && !choice.copied)
    {
        auto known = find_session(with.store, choice.id, who);
        // The relay may have said that it is gone, and show it again.
        if (!known && known.error() == errc::not_found &&
            co_await bring_back(with.store, who, relay, book, with.out, std::nullopt))
            known = find_session(with.store, choice.id, who);
        if (known)
            co_return chosen_session{std::move(*known), /*resumed=*/true, std::move(choice.arguments)};
        if (known.error() == errc::locked)
            co_return fail(errc::locked, "This session runs already, in another terminal of this machine.");
        if (known.error() != errc::not_found)
            co_return std::unexpected(known.error());
    }
    if (!choice.id.empty())
    {
        if (!claude::find_transcript(environment, choice.id))
            co_return fail(
                errc::not_found,
                "This machine has neither a session nor a conversation of Claude Code with the id " + choice.id + ".");
        record.earlier = choice.id;
        if (choice.copied)
            choice.arguments.insert(choice.arguments.end(), {"--resume", choice.id, "--fork-session"});
        else
            record.claude_id = choice.id;
    }
    if (choice.what == kind::none && !wanted.fresh)
    {
        // What was interrupted here may lie in the trash, on the word of a relay that shows it again.
        (void)co_await bring_back(with.store, who, relay, book, with.out, directory);
        if (auto interrupted = find_interrupted(with.store, directory, who))
            co_return chosen_session{std::move(*interrupted), /*resumed=*/true, std::move(choice.arguments)};
    }
    record.tag = to_string(session_id{make_uuid_v4()});
    record.server_url = who.server_url;
    record.account_id = who.account_id;
    record.data_key = key256::random();
    record.directory = directory;
    record.created = with.clock.now();
    auto made = session_folder::create(with.store, std::move(record));
    if (!made)
        co_return std::unexpected(made.error());
    co_return chosen_session{std::move(*made), /*resumed=*/false, std::move(choice.arguments)};
}

/// As far as this machine knows: the relay is not asked here.
result<bool> is_revoked(surroundings& with, relay_client& relay, const identity& who)
{
    const auto book = open_book(with.store, relay, who, with.clock);
    if (!book)
        return std::unexpected(book.error());
    return (*book)->own() == device_standing::revoked;
}

void say_revoked(surroundings& with, std::size_t moved)
{
    with.out.text("A browser of your account has revoked this machine.");
    if (moved > 0)
        with.out.text(
            "The keys of " + foreign(std::to_string(moved)) +
            " sessions, and what they had not sent yet, are in the trash here. See `consortium trash`.");
    with.out.text("It can be paired again, as a new machine:");
    with.out.text("");
}

/// What a session was allowed without being asked is not allowed again without being asked.
asio::awaitable<void> confirm_mode(session_record& record, screen& out, terminal_input& input)
{
    if (record.mode != "bypassPermissions")
        co_return;
    if (::isatty(STDIN_FILENO) == 1)
    {
        const auto again = co_await input.yes(
            "It ran everything without asking (bypassPermissions). Go on like that?", /*otherwise=*/false);
        if (again && *again)
            co_return;
    }
    record.mode.clear();
    out.text("It ran everything without asking (bypassPermissions); from now on it asks.");
}

} // namespace

boost::asio::awaitable<int> run_session(surroundings& with, const command_line& wanted)
{
    const auto executor = with.io.get_executor();
    // First what can be wrong on this machine: nobody should pair only to read that Claude is missing.
    const auto program = claude::locate([](const char* name) { return std::getenv(name); });
    if (!program)
    {
        with.out.text(detail_of(program.error().detail));
        co_return 1;
    }
    auto known = with.store.load_identity();
    if (!known)
    {
        with.out.text(detail_of(known.error().detail));
        co_return 1;
    }
    const auto server = chosen_server(*known);
    if (*known && server != (*known)->server_url)
    {
        with.out.text(
            "This machine belongs to an account at " + foreign((*known)->server_url) + ", not at " + foreign(server) +
            ".");
        with.out.text("`consortium auth login` changes that; without CONSORTIUM_SERVER_URL the first one is used.");
        co_return 1;
    }
    auto relay = connect_to(with, server);
    if (!relay)
    {
        with.out.text(detail_of(relay.error().detail));
        co_return 1;
    }
    terminal_input input(executor);
    const system_boot_clock spans;
    first_run first(with.store, **relay, input, with.clock, spans);
    std::optional<identity> who = std::move(*known);
    if (who)
    {
        const auto revoked = is_revoked(with, **relay, *who);
        if (!revoked)
        {
            with.out.text(detail_of(revoked.error().detail));
            co_return 1;
        }
        if (*revoked)
        {
            say_revoked(with, move_sessions_to_trash(with.store, *who, with.clock.now()));
            who.reset();
        }
    }
    if (!who)
    {
        (*relay)->on_stranger = [&out = with.out](const relay_failure& why) { out.line("offline", why.detail); };
        auto made = co_await first.choose();
        (*relay)->on_stranger = nullptr;
        if (!made)
        {
            with.out.text(detail_of(made.error().detail));
            co_return 1;
        }
        who = std::move(*made);
        (*relay)->set_token(who->token);
    }
    else
    {
        (*relay)->set_token(who->token);
        if (who->account_secret && ::isatty(STDIN_FILENO) == 1)
        {
            if (const auto offered = co_await first.offer_to_forget(*who); !offered)
                with.out.text(detail_of(offered.error().detail));
        }
    }

    auto book = open_book(with.store, **relay, *who, with.clock);
    if (!book)
    {
        with.out.text(detail_of(book.error().detail));
        co_return 1;
    }
    (*book)->on_news = [&out = with.out](const std::string& words) { out.text(foreign(words)); };
    (*relay)->judge_denial = [&](const relay_failure& denied)
    { return judge_denial(with.store, **relay, *who, **book, denied); };

    run_options options;
    options.environment = claude::child_environment(environ);
    if (claude::read_choice(wanted.for_claude).what == claude::conversation_choice::kind::unnamed)
    {
        say_sessions_to_name(with, *who);
        co_return 1;
    }
    auto chosen = co_await choose_session(with, **relay, **book, *who, wanted, options.environment);
    if (!chosen)
    {
        with.out.text(detail_of(chosen.error().detail));
        co_return 1;
    }
    auto& record = chosen->folder.record();
    // Files that the words name are looked for where the session is.
    std::error_code gone;
    std::filesystem::current_path(record.directory, gone);
    if (gone)
    {
        with.out.text("The folder of this session is not there any more: " + foreign(record.directory));
        co_return 1;
    }
    auto for_claude = claude::with_denied_folder(chosen->for_claude, with.store.directory());
    if (!for_claude)
    {
        with.out.text(detail_of(for_claude.error().detail));
        co_return 1;
    }
    with.out.title("Consortium " CONSORTIUM_VERSION " · " + foreign(host_name()) + " · " + foreign(record.directory));
    if (chosen->resumed)
    {
        if (record.ended)
            with.out.text("Taking up a session again that had ended.");
        else
            with.out.text("Resuming the session that was interrupted here. `consortium --new` begins another one.");
        co_await confirm_mode(record, with.out, input);
    }

    options.claude = *program;
    options.program = wanted.program;
    options.given = claude::read_choice(wanted.for_claude).arguments;
    options.arguments = std::move(*for_claude);
    options.first_prompt = well_formed_utf8(wanted.prompt);
    options.resumed = chosen->resumed;
    if (::isatty(STDIN_FILENO) == 1)
        options.terminal = &input;
    asio::co_spawn(
        executor, look_after_leftovers(with.store, *who, **relay, **book, with.out, with.clock), asio::detached);
    session_runner runner(
        executor, with.store, *who, std::move(chosen->folder), **relay, **book, with.out, with.clock, spans,
        std::move(options));
    (*book)->on_revoked = [&runner] { runner.on_device_revoked(); };
    (*book)->on_alarm = [&runner](const device_alarm& alarm) { runner.on_device_alarm(alarm); };
    asio::signal_set signals(executor, SIGINT, SIGTERM, SIGHUP);
    listen_for_signals(signals, runner);
    const auto status = co_await runner.run();
    signals.cancel();
    co_return status;
}

} // namespace consortium::agent
