#include "commands/commands.hpp"
#include "identity/log_checker.hpp"
#include "storage/membership.hpp"

namespace consortium::agent
{
namespace
{

std::string when(unix_millis time)
{
    return time == 0 ? "never" : iso_time(time);
}

void show_memory(screen& out, const log_memory& memory, const std::string& server)
{
    const auto serves = memory.current.find(server);
    const auto known = serves != memory.current.end() ? memory.logs.find(serves->second) : memory.logs.end();
    if (known == memory.logs.end())
        return out.text("Log       never seen");
    const auto& log = known->second;
    out.text("Log       " + foreign(log.key.name));
    out.text("Key       " + foreign(fingerprint(log.key)) + ", known since " + foreign(iso_time(log.since)));
    out.text("Records   " + foreign(log.head ? std::to_string(log.head->size) : "unknown"));
    out.text("Verified  " + foreign(when(log.verified)));
    out.text("Proved    " + foreign(when(log.proved)) + " (a message of this machine)");
}

} // namespace

void show_log_alarms(screen& out, const log_memory& memory, const std::string& server)
{
    bool any = false;
    for (const auto& each : memory.alarms)
    {
        if (each.server != server)
            continue;
        any = true;
        out.text("ALARM     " + foreign(sentence(each.what)));
        out.text("          " + foreign(each.origin));
        out.text("          " + foreign(each.detail));
        out.text(
            "          first " + foreign(iso_time(each.first)) +
            foreign(each.times > 1 ? ", " + std::to_string(each.times) + " times until " + iso_time(each.last) : ""));
    }
    if (any)
        out.text("          Ask who runs the relay. `consortium log --accept` acknowledges it and goes on with what "
                 "the relay "
                 "shows now.");
}

void show_device_alarms(screen& out, const device_book& book)
{
    for (const auto& each : book.alarms())
    {
        out.text("ALARM     " + foreign(sentence(each.what)));
        out.text("          " + foreign(each.detail));
        out.text("          first " + foreign(iso_time(each.first)) + ", last " + foreign(iso_time(each.last)));
    }
    if (!book.alarms().empty())
        out.text("          What was seen once counts: nobody gains anything. Compare the devices in your dashboard; "
                 "`consortium log --accept` acknowledges it.");
}

boost::asio::awaitable<int> show_log(surroundings& with, bool accept)
{
    const auto known = with.store.load_identity();
    if (!known || !*known)
    {
        with.out.text(known ? "Not paired. Run `consortium` to pair this machine." : detail_of(known.error().detail));
        co_return 1;
    }
    const auto& who = **known;
    auto relay = connect_to(with, who.server_url);
    if (!relay)
    {
        with.out.text(detail_of(relay.error().detail));
        co_return 1;
    }
    (*relay)->set_token(who.token);
    log_checker checker(**relay, with.store, with.clock);
    with.out.text("Relay     " + foreign(who.server_url));
    auto book = open_book(with.store, **relay, who, with.clock);
    if (!book)
    {
        with.out.text(detail_of(book.error().detail));
        co_return 1;
    }
    std::string now;
    if (accept)
    {
        const auto count = co_await checker.acknowledge();
        const auto of_devices = (*book)->acknowledge();
        now = !count        ? count.error().detail
              : !of_devices ? of_devices.error().detail
                            : std::to_string(*count + *of_devices) + " alarms acknowledged";
    }
    else if (const auto checked = co_await checker.check(); !checked)
        now = "not checked: " + checked.error().detail;
    else if (*checked == log_checker::outcome::not_offered)
        now = "not checked: this relay does not let its log be checked";
    else
        now =
            *checked == log_checker::outcome::fits ? "it continues what this machine saw before" : "it does not match";
    const auto memory = with.store.load_log_memory();
    if (!memory)
    {
        with.out.text(detail_of(memory.error().detail));
        co_return 1;
    }
    show_memory(with.out, *memory, who.server_url);
    with.out.text("Now       " + detail_of(now));
    show_log_alarms(with.out, *memory, who.server_url);
    show_device_alarms(with.out, **book);
    co_return memory->alarms.empty() && (*book)->alarms().empty() ? 0 : 1;
}

} // namespace consortium::agent
