// What comes in the relay's place: any bytes, whatever the status.
#include "consortium/common/printable.hpp"
#include "link/from_relay.hpp"

using namespace consortium;
using namespace consortium::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    for (const unsigned status : {200u, 302u, 404u, 413u, 503u})
    {
        const auto answer = judge_answer("http://relay", status, body, "session");
        if (!answer)
        {
            CONSORTIUM_ASSERT(answer.error().by_relay || worth_retrying(answer.error()));
            CONSORTIUM_ASSERT(!answer.error().by_relay || status >= 400);
            CONSORTIUM_ASSERT(printable(answer.error().detail, 10'000) == answer.error().detail);
            continue;
        }
        const auto session = answer->object("session");
        const auto& part = session ? *session : *answer;
        CONSORTIUM_ASSERT(part.uuid("id").empty() || part.uuid("id").size() == 36);
        CONSORTIUM_ASSERT(part.text("t", 10).size() <= 10 && part.number("n") >= 0);
        for (const auto& each : part.objects("list"))
            (void)each.flag("yes");
    }
    return 0;
}
