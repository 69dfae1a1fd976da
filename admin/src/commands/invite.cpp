#include "commands/invite.hpp"
#include "closed_log.hpp"
#include "consortium/common/invitation.hpp"
#include "consortium/common/qr_code.hpp"
#include "consortium/log/when_healed.hpp"
#include "consortium/projections/views.hpp"
#include "control_client.hpp"
#include <future>
#include <iostream>
#include <unistd.h>

namespace consortium::admin
{
namespace
{

/// Waits for the one command that is submitted here.
class one_outcome final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override
    {
        for (const auto& ended : batch)
            done_.set_value(ended.committed ? result<void>() : result<void>(std::unexpected(ended.committed.error())));
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override { print_error(why, /*json=*/false); }
    result<void> wait() { return done_.get_future().get(); }

private:
    std::promise<result<void>> done_;
};

result<boost::json::object> invite_closed_log(const invite_options& options)
{
    one_outcome sink;
    const system_clock_source clock;
    const auto made = make_invitation();
    const auto wanted = std::make_shared<projections::invite>();
    wanted->invitation = made.id;
    wanted->lifetime = options.lifetime;
    const auto done = with_closed_log(
        options.source, sink, clock,
        [&](log::event_log& opened) -> result<void>
        {
            // The table may be new in this version, or damaged: it is made beside the log that was opened.
            const auto readable = log::when_healed(
                opened, [&](const log::snapshot& at) { return projections::has_own_invitation(at, clock.now()); },
                [](const error& why) { std::cerr << "Waiting: " << why.detail << ".\n"; });
            if (!readable)
                return std::unexpected(readable.error());
            if (auto taken = opened.submit(wanted); !taken)
                return taken;
            return sink.wait();
        });
    if (!done)
        return std::unexpected(done.error());
    return boost::json::object{{"code", made.code}, {"expiresAt", wanted->expires}};
}

std::string text_of(const boost::json::object& answer, std::string_view name)
{
    const auto* found = answer.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

} // namespace

exit_code invite(const invite_options& options)
{
    const auto there = check_directory(options.source.data);
    const auto made = there ? answer_or_ask(
                                  options.source.data, [&] { return invite_closed_log(options); },
                                  boost::json::object{{"command", "invite"}})
                            : std::unexpected(there.error());
    if (!made)
    {
        print_error(made.error(), /*json=*/false);
        return exit_code::unreadable;
    }
    const auto code = text_of(*made, "code");
    const auto link = options.url.empty() ? text_of(*made, "link") : invitation_link(options.url, code);
    const auto* expires = made->if_contains("expiresAt");
    std::cout << "An invitation for one account, good once, until "
              << utc_text(expires != nullptr && expires->is_int64() ? expires->get_int64() : 0) << ":\n\n  " << code
              << '\n';
    if (!link.empty())
        std::cout << "  " << link << "\n\n";
    if (!link.empty() && ::isatty(STDOUT_FILENO) == 1)
        std::cout << qr_code(link) << '\n';
    std::cout << "Whoever has it can make an account on this relay: give it to one person, on a way that nobody else "
                 "reads.\n";
    return exit_code::sound;
}

} // namespace consortium::admin
