#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/log/event_log.hpp"
#include "consortium/projections/views.hpp"
#include "report.hpp"
#include "source.hpp"
#include <functional>

namespace consortium::admin
{

/// For a log to which nothing is submitted.
class deaf_sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome>) override {}
    void on_pressure(bool) override {}
    void on_failure(const error& why) override { print_error(why, /*json=*/false); }
};

/// Opens the log that no relay uses, has something done with it, and closes it. The errors of open_log() and of `use`.
template <class Use>
std::invoke_result_t<const Use&, log::event_log&>
with_closed_log(const source_options& source, log::commit_sink& sink, const clock_source& clock, const Use& use)
{
    const auto options = log_options_of(source);
    if (!options)
        return std::unexpected(options.error());
    const auto opened = log::open_log(*options, projections::rules(), sink, clock);
    if (!opened)
        return std::unexpected(opened.error());
    auto done = use(**opened);
    (*opened)->close();
    return done;
}

} // namespace consortium::admin
