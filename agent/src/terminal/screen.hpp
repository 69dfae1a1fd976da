#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace consortium::agent
{

/// What may be printed as it is: literals of this program, and pieces of others that went through foreign(). A plain
/// string is neither.
class own_text
{
public:
    template <std::size_t Size>
    own_text(const char (&literal)[Size]) : text_(literal) // NOLINT: a literal is our own text
    {
    }
    template <std::size_t Size>
    own_text(char (&buffer)[Size]) = delete;
    /// What this program made itself of several lines: a picture, the help.
    static own_text composed(std::string text);

    const std::string& view() const noexcept { return text_; }
    friend own_text operator+(own_text left, const own_text& right)
    {
        left.text_ += right.text_;
        return left;
    }

private:
    own_text() = default;
    friend own_text foreign(std::string_view text, std::size_t max);

    std::string text_;
};

/// Text of anybody else: the relay, Claude Code, files, the environment, errors that quote them. See printable().
own_text foreign(std::string_view text, std::size_t max = 300);
/// The detail of an error: text of ours that may quote others.
own_text detail_of(std::string_view detail);

/// As it is printed on this terminal: lines that are too long for it are broken between words. The terminal itself
/// would break inside them. A word that is longer than a line, a link perhaps, stays whole.
std::string fitted(const own_text& words);

/// Plain lines on the terminal: when, what, about what.
class screen
{
public:
    screen();
    /// "14:02:31  offline   Not connected ...": what a person has to read, broken between words. Both may quote
    /// anybody.
    void line(std::string_view what, std::string_view about);
    /// "14:02:31  prompt    Fix the test": what was said or done, in one row, cut where it does not fit.
    void row(std::string_view what, std::string_view about);
    void text(const own_text& words);
    void title(const own_text& words);

    /// A question of one row that waits at the terminal: what is printed meanwhile stands above it.
    void open_question(const own_text& words);
    /// It is answered, or nobody waits for an answer any more.
    void close_question();

private:
    void print(std::string_view what, const std::string& about);
    /// For what stands beside time and `what`.
    std::size_t columns_left() const;

    void wipe_question() const;
    void show_question() const;

    std::string question_; ///< empty: none
    bool colours_;
    std::size_t columns_;
};

} // namespace consortium::agent
