// What Claude Code and the dashboard say: JSON of unknown form.
#include "base/trim_line.hpp"
#include "consortium/common/error.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/protocol/foreign_json.hpp"
#include "consortium/protocol/raw_json.hpp"
#include "drivers/claude/line_buffer.hpp"
#include "drivers/claude/partial_text.hpp"
#include "drivers/claude/permission.hpp"
#include "drivers/claude/sayings.hpp"
#include "session/prompt_gate.hpp"
#include <algorithm>
#include <boost/json.hpp>

using namespace consortium;
using namespace consortium::agent;
namespace json = boost::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto shown = printable(input, 40);
    CONSORTIUM_ASSERT(
        std::ranges::none_of(shown, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));

    claude::line_buffer lines;
    claude::partial_tracker partial;
    const auto room = lines.prepare(size);
    std::ranges::copy(input, room.begin());
    lines.commit(size);
    while (const auto line = lines.next())
    {
        auto value = protocol::read_foreign_json(*line);
        if (!value)
            continue;
        (void)parse_verdict(*value);
        (void)read_prompt(*value, e2ee::bundle_id{});
        auto* object = value->if_object();
        if (object == nullptr)
            continue;
        if (const auto asked = claude::parse_question("r", *object, *line))
        {
            // What runs is what stands in the ask, whatever Claude asked.
            const auto ask = make_ask(*asked, "nonce", "/");
            verdict yes;
            yes.made = decision::approved;
            const auto answer = claude::answer_to(asked->kind, ask, yes);
            CONSORTIUM_ASSERT(answer);
            const auto read = protocol::read_foreign_object(*answer, protocol::stored_depth_max);
            const auto asks = protocol::read_foreign_object(ask, protocol::stored_depth_max);
            CONSORTIUM_ASSERT(read && asks && asks->at("arguments") == json::value(asked->arguments));
            if (asked->kind == question_kind::permission)
                CONSORTIUM_ASSERT(
                    read->at("updatedInput") == asks->at("arguments") &&
                    protocol::raw_member(*answer, "updatedInput") == protocol::raw_member(ask, "arguments"));
            yes.grants = {asked->grants.size()};
            CONSORTIUM_ASSERT(!claude::answer_to(asked->kind, ask, yes));
        }
        (void)claude::sayings_of(*object);
        partial.on_event(*object);
        (void)partial.finish_block("m");
        (void)partial.take();
        trim_line(*object);
    }
    return 0;
}
