#include "storage/trash.hpp"
#include "commands/commands.hpp"

namespace consortium::agent
{

boost::asio::awaitable<int> show_trash(surroundings& with)
{
    const auto sessions = list_trash(with.store);
    if (sessions.empty())
    {
        with.out.text("The trash is empty.");
        co_return 0;
    }
    with.out.text("Sessions of which the relay says, without proof, that they are gone:");
    for (const auto& each : sessions)
    {
        with.out.text("");
        with.out.text("  " + foreign(each.session_id) + "   " + foreign(each.directory));
        with.out.text("  since " + foreign(iso_time(each.since)) + ": " + foreign(sentence(each.why)));
        with.out.text("  at " + foreign(each.server_url));
        with.out.text(
            "  destroyed after " + foreign(std::to_string(each.days_left)) + " more days on which consortium runs");
    }
    with.out.text("");
    with.out.text("One comes back by itself when the relay shows it again; `consortium trash restore ID` takes it out "
                  "at once.");
    co_return 0;
}

boost::asio::awaitable<int> restore_session(surroundings& with, const std::string& session)
{
    for (const auto& each : list_trash(with.store))
    {
        if (each.session_id != session)
            continue;
        const auto restored = restore_from_trash(with.store, each.tag);
        if (!restored)
        {
            with.out.text(detail_of(restored.error().detail));
            co_return 1;
        }
        with.out.text("Restored. What it could not send yet is sent by the next `consortium`.");
        co_return 0;
    }
    with.out.text("There is no such session in the trash. `consortium trash` lists them.");
    co_return 1;
}

} // namespace consortium::agent
