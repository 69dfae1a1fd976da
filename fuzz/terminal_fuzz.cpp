#include "consortium/common/error.hpp"
#include "terminal/painted_screen.hpp"
#include "terminal/pty_seat.hpp"
#include "terminal/typed_keys.hpp"
#include <cstdint>
#include <string_view>

using namespace consortium::agent;

/// What programs paint, what terminals and people send, what a browser has typed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::size_t columns = size > 0 ? 1 + data[0] % 40 : 1;
    painted_screen whole(columns, 5);
    painted_screen pieces(columns, 5);
    whole.paint(bytes);
    for (const char& each : bytes)
        pieces.paint({&each, 1});
    CONSORTIUM_ASSERT(whole.before_cursor() == pieces.before_cursor());
    CONSORTIUM_ASSERT(whole.before_cursor().size() <= columns);
    painted_screen undone = whole;
    // However a sequence was cut off, what undoes it is read as a whole one.
    undone.paint("\033\\" + whole.undo());
    CONSORTIUM_ASSERT(undone.undo().empty());

    typed_keys keys;
    auto now = typed_keys::clock::now();
    (void)keys.take(bytes, now);
    CONSORTIUM_ASSERT(keys.take("x", now + std::chrono::seconds(1)));
    CONSORTIUM_ASSERT(keys.draft());

    const auto text = pasteable(bytes);
    for (const char each : text)
    {
        const auto byte = static_cast<unsigned char>(each);
        CONSORTIUM_ASSERT(byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 0x7f));
    }
    CONSORTIUM_ASSERT(pasteable(text) == text);
    return 0;
}
