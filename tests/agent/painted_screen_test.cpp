#include "terminal/painted_screen.hpp"
#include "terminal/pty_seat.hpp"
#include <gtest/gtest.h>
#include <random>

using namespace consortium::agent;

namespace
{

TEST(painted_screen, knows_what_stands_in_front_of_the_cursor)
{
    painted_screen screen(20, 5);
    screen.paint("one\r\ntwo three");
    EXPECT_EQ(screen.before_cursor(), U"twothree");
    screen.paint("\033[2;4H");
    EXPECT_EQ(screen.before_cursor(), U"two");
    screen.paint("\033[1;2H\033[Kx\033[10Gy");
    EXPECT_EQ(screen.before_cursor(), U"oxy");
    screen.paint("\033[5;1Hlast\r\nmore"); // everything went up by a row
    screen.paint("\033[4;5H");
    EXPECT_EQ(screen.before_cursor(), U"last");
    screen.paint("\033[2J");
    EXPECT_EQ(screen.before_cursor(), U"");
}

TEST(painted_screen, wraps_where_the_terminal_does)
{
    painted_screen screen(6, 3);
    screen.paint("abcdef");
    EXPECT_EQ(screen.before_cursor(), U"abcdef");
    screen.paint("gh");
    EXPECT_EQ(screen.before_cursor(), U"gh");
    screen.paint("\033[3;1H\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0"); // of two columns each
    EXPECT_EQ(screen.before_cursor(), U"\u4f60\u597d\u4f60");
    screen.paint("!");
    EXPECT_EQ(screen.before_cursor(), U"!");
}

TEST(painted_screen, takes_characters_of_several_for_one)
{
    painted_screen screen(10, 3);
    const std::string family = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7";
    const std::string thumb = "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd";
    screen.paint(family + thumb + "\033[5Gx");
    EXPECT_EQ(screen.before_cursor(), U"\U0001f469\U0001f44dx") << "each of them is of two columns";
    EXPECT_TRUE(shows_pasted(screen, U"", family + " " + thumb + "x", ""));
}

// As Claude Code 2.1 paints: what stands there already is passed over.
TEST(painted_screen, sees_a_paste_in_the_input)
{
    painted_screen screen(40, 10);
    screen.paint("\033[?2004h\033[8;1H\xe2\x9d\xaf\xc2\xa0\033[7m \033[27m\033[10;1H\033[8;3H");
    EXPECT_TRUE(screen.takes_pastes());
    const auto before = screen.before_cursor();
    EXPECT_EQ(before, U"\u276f");
    EXPECT_FALSE(shows_pasted(screen, before, "fix it", ""));
    screen.paint("\033[H\r\033[2C\033[7Bfix\033[7Git\033[7m \033[27m\033[10;1H\033[8;9H");
    EXPECT_TRUE(shows_pasted(screen, before, "fix it", ""));
    EXPECT_FALSE(shows_pasted(screen, before, "fix that", ""));
    EXPECT_FALSE(shows_pasted(screen, before, "it", "")) << "more stands there than was pasted";
    screen.paint("\033[7;1H\xe2\x9d\xaf\xc2\xa0"
                 "first\033[8;1H  rest of it\033[K");
    EXPECT_TRUE(shows_pasted(screen, before, "first\nrest of it", ""));
    screen.paint("\033[8;3H[Pasted\033[11Gtext\033[16G#1\033[19G+3\033[22Glines]\033[K");
    EXPECT_TRUE(shows_pasted(screen, before, "many\nlines", "[Pasted text #"));
    EXPECT_FALSE(shows_pasted(screen, before, "many\nlines", ""));
}

TEST(painted_screen, knows_what_is_to_be_undone)
{
    painted_screen screen(40, 10);
    EXPECT_EQ(screen.undo(), "");
    screen.paint("\033[?1049h\033[?1000;1006h\033[?25l\033[>1u\033[>4;2m\033[?7l\033[?12345h");
    EXPECT_EQ(screen.undo(), "\033[<u\033[>4m\033[?1000l\033[?1006l\033[?1049l\033[?7h\033[?25h\033[m");
    screen.paint("\033[?25h\033[?1000l\033[?1006l\033[<u\033[<u\033[?1049l\033[>4m\033[?7h");
    EXPECT_EQ(screen.undo(), "");
}

// Goal: any bytes in any pieces are survived, and the pieces make no difference.
TEST(painted_screen, takes_any_bytes)
{
    for (unsigned seed = 0; seed < 500; ++seed)
    {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        std::string bytes(random() % 3000, ' ');
        for (auto& each : bytes)
            each = random() % 2 == 0 ? "\033[;?0123456789HABCDJKLMPST@Xrhlum\r\n\b\t78c>]\007"[random() % 43]
                                     : static_cast<char>(random());
        const std::size_t columns = 1 + random() % 30;
        const std::size_t rows = 1 + random() % 10;
        painted_screen whole(columns, rows);
        painted_screen pieces(columns, rows);
        whole.paint(bytes);
        for (std::size_t at = 0; at < bytes.size();)
        {
            const auto size = std::min<std::size_t>(bytes.size() - at, 1 + random() % 7);
            pieces.paint(std::string_view(bytes).substr(at, size));
            at += size;
        }
        EXPECT_EQ(whole.before_cursor(), pieces.before_cursor());
        EXPECT_EQ(whole.undo(), pieces.undo());
        EXPECT_LE(whole.before_cursor().size(), columns);
    }
}

TEST(pasteable, cannot_end_the_paste_it_stands_in)
{
    EXPECT_EQ(pasteable("plain \xc3\xa9\ttext\r\nsecond\rthird\n\n "), "plain \xc3\xa9\ttext\nsecond\nthird");
    EXPECT_EQ(pasteable("a\033[201~\rrm -rf\x03\x04\177"), "a[201~\nrm -rf");
    EXPECT_EQ(
        pasteable("a\xc2\x9b"
                  "201~b"),
        "a201~b");
    EXPECT_EQ(pasteable("\n\033\r"), "");
    for (unsigned seed = 0; seed < 1000; ++seed)
    {
        std::mt19937 random(seed);
        std::string text(random() % 60, ' ');
        for (auto& each : text)
            each = static_cast<char>(random());
        for (const char each : pasteable(text))
        {
            const auto byte = static_cast<unsigned char>(each);
            EXPECT_TRUE(byte == '\n' || byte == '\t' || (byte >= ' ' && byte != 0x7f)) << "seed " << seed;
        }
        EXPECT_EQ(pasteable(pasteable(text)), pasteable(text)) << "seed " << seed;
    }
}

} // namespace
