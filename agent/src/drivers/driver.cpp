#include "drivers/driver.hpp"

namespace consortium::agent
{

std::string_view word(prompt_step step) noexcept
{
    switch (step)
    {
    case prompt_step::given:
        return "given";
    case prompt_step::queued:
        return "queued";
    case prompt_step::begun:
        return "begun";
    case prompt_step::done:
        return "done";
    case prompt_step::dropped:
        break;
    }
    return "dropped";
}

} // namespace consortium::agent
