#pragma once
#include "drivers/driver.hpp"
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace consortium::agent::testing
{

/// A driver without a program: says nothing by itself, does at once what it is told, and remembers it.
class silent_driver final : public driver
{
public:
    bool takes_no_answer = false;
    std::function<void()> on_answer = [] {};
    std::vector<std::string> answered; ///< request ids
    std::vector<std::string> refused;
    std::vector<std::pair<std::string, std::string>> prompts; ///< uuid and text
    std::vector<std::string> taken_back;                      ///< what a stop was to take back
    std::vector<std::string> too_late;                        ///< of them
    std::string goes_to;                                      ///< the mode that it takes instead of any other
    std::string refuses;                                      ///< a mode or model
    bool is_busy = false;
    int stops = 0;

    void detach() noexcept override {}
    void prompt(const std::string& uuid, const std::string& text) override { prompts.emplace_back(uuid, text); }
    boost::asio::awaitable<result<std::vector<std::string>>> stop_turn(std::vector<std::string> waiting) override
    {
        ++stops;
        taken_back = std::move(waiting);
        co_return too_late;
    }
    result<std::string> prepare_answer(question_kind, std::string_view, const verdict&) const override
    {
        if (takes_no_answer)
            return fail(errc::bad_request, "not that");
        return std::string("{}");
    }
    void answer(const std::string& request_id, std::string) override
    {
        on_answer();
        answered.push_back(request_id);
    }
    void refuse(const question& asked, const std::string&) override { refused.push_back(asked.request_id); }
    boost::asio::awaitable<result<std::string>> set_mode(std::string mode) override
    {
        if (mode == refuses)
            co_return fail(errc::bad_request, "not this one");
        co_return goes_to.empty() ? mode : goes_to;
    }
    boost::asio::awaitable<result<void>> set_model(std::string model) override
    {
        if (model == refuses)
            co_return fail(errc::bad_request, "not this one");
        co_return result<void>();
    }
    boost::asio::awaitable<result<void>> stop_task(std::string) override { co_return result<void>(); }
    std::vector<partial_text> take_partial() override { return {}; }
    bool busy() const noexcept override { return is_busy; }
    bool started() const noexcept override { return true; }
    boost::asio::awaitable<child_exit> ended() override { co_return child_exit(); }
    std::string last_words() const override { return {}; }
    void close() override {}
    void kill() noexcept override {}
};

} // namespace consortium::agent::testing
