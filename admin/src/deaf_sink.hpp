#pragma once
#include "consortium/log/event_log.hpp"
#include "report.hpp"

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

} // namespace consortium::admin
