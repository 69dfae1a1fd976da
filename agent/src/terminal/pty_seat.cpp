#include "terminal/pty_seat.hpp"
#include "consortium/common/printable.hpp"
#include "terminal/terminal_limits.hpp"
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <sys/ioctl.h>

namespace consortium::agent
{
namespace
{

constexpr std::size_t prompt_sign_max = 2; ///< characters that stand in front of an empty input
constexpr std::string_view paste_begin = "\033[200~";
constexpr std::string_view paste_end = "\033[201~";
constexpr auto never = std::chrono::steady_clock::time_point::max();
constexpr auto view_undo = "\033[r\033[?1049l";

asio::awaitable<void> wait_for(asio::steady_timer& event, std::chrono::steady_clock::time_point until)
{
    boost::system::error_code ignored;
    event.expires_at(until);
    co_await event.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// Of an event that never expires: setting that here would wake others who wait for it.
asio::awaitable<void> wait_for(asio::steady_timer& event)
{
    boost::system::error_code ignored;
    co_await event.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

} // namespace

std::string pasteable(std::string_view text)
{
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at)
    {
        const auto byte = static_cast<unsigned char>(text[at]);
        const auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
        if (byte == '\r')
        {
            if (next != '\n')
                out += '\n';
        }
        else if (byte >= 0x80 && byte < 0xa0 && out.ends_with('\xc2')) // U+0080 to U+009F: controls too
            out.pop_back();
        else if ((byte >= ' ' && byte != 0x7f) || byte == '\n' || byte == '\t')
            out += text[at];
    }
    out.erase(out.find_last_not_of(" \t\n") + 1);
    return out;
}

pty_seat::pty_seat(asio::any_io_executor executor, pty_seat_options options)
    : executor_(executor),
      options_(std::move(options)),
      input_(executor, open_terminal_anew(options_.input)),
      output_(executor, open_terminal_anew(options_.output)),
      mode_(input_.native_handle()),
      signals_(executor),
      from_person_(limits::terminal_piece_bytes),
      from_program_(limits::terminal_piece_bytes),
      drained_(executor, never),
      ended_(executor, never),
      turn_free_(executor, never),
      shown_(executor)
{
}

std::shared_ptr<pty_seat> pty_seat::make(asio::any_io_executor executor, pty_seat_options options)
{
    return std::shared_ptr<pty_seat>(new pty_seat(std::move(executor), std::move(options)));
}

pty_seat::~pty_seat()
{
    if (running_ && !lost_)
        print(painted_.undo());
    if (!headline_.empty())
        print(view_undo);
}

result<void> pty_seat::start(const child_options& program)
{
    if (running_)
        return fail(errc::conflict, "another program has the terminal");
    close_view();
    if (options_.on_taken)
        options_.on_taken(true);
    // Before it can ask the terminal anything: an answer is for the program, not for the screen.
    mode_.raw();
    listen();
    room_ = size();
    auto child = pty_child::spawn(executor_, program, mode_.found(), room_);
    if (!child)
    {
        listen_no_more();
        mode_.restore();
        if (options_.on_taken)
            options_.on_taken(false);
        return std::unexpected(child.error());
    }
    child_ = std::move(*child);
    running_ = true;
    exit_.reset();
    keys_.clear();
    painted_ = painted_screen(room_.ws_col, room_.ws_row);
    undo_.clear();
    const auto self = shared_from_this();
    asio::co_spawn(executor_, read_program(self, child_), asio::detached);
    asio::co_spawn(executor_, watch_program(self, child_), asio::detached);
    if (lost_)
        signal(SIGHUP);
    return {};
}

/// To the terminal: keys and signals.
void pty_seat::listen()
{
    if (!listening_)
    {
        listening_ = true;
        boost::system::error_code ignored;
        for (const int each : {SIGWINCH, SIGCONT, SIGTSTP})
            signals_.add(each, ignored);
    }
    if (!watching_signals_)
    {
        watching_signals_ = true;
        asio::co_spawn(executor_, watch_signals(shared_from_this()), asio::detached);
    }
    if (!reading_keys_ && !lost_)
    {
        reading_keys_ = true;
        asio::co_spawn(executor_, read_keys(shared_from_this()), asio::detached);
    }
}

/// What is typed from now on is for others.
void pty_seat::listen_no_more()
{
    boost::system::error_code ignored;
    listening_ = false;
    signals_.clear(ignored);
    signals_.cancel(ignored);
    input_.cancel(ignored);
}

asio::awaitable<void> pty_seat::read_keys(std::shared_ptr<pty_seat> self)
{
    while (self->listening_)
    {
        boost::system::error_code problem;
        const auto size = co_await self->input_.async_read_some(
            asio::buffer(self->from_person_), asio::redirect_error(asio::use_awaitable, problem));
        if (problem == asio::error::operation_aborted)
            continue;
        if (problem)
        {
            self->lost();
            break;
        }
        co_await self->on_typed({self->from_person_.data(), size});
    }
    self->reading_keys_ = false;
}

asio::awaitable<void> pty_seat::on_typed(std::string_view bytes)
{
    if (!headline_.empty())
    {
        if (keys_.take(bytes, std::chrono::steady_clock::now()) && on_view_key_)
            std::exchange(on_view_key_, {})();
        co_return;
    }
    co_await take_turn();
    const bool before = keys_.draft();
    keys_.take(bytes, std::chrono::steady_clock::now());
    co_await send(bytes);
    give_turn();
    if (keys_.draft() != before && draft_changed_)
        draft_changed_();
}

asio::awaitable<void> pty_seat::take_turn()
{
    while (turn_taken_)
        co_await wait_for(turn_free_);
    turn_taken_ = true;
}

void pty_seat::give_turn()
{
    turn_taken_ = false;
    turn_free_.cancel();
}

asio::awaitable<void> pty_seat::send(std::string_view bytes)
{
    const auto child = child_;
    if (!running_)
        co_return;
    boost::system::error_code ignored; // it has ended
    co_await asio::async_write(child->input(), asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> pty_seat::show(std::string_view bytes)
{
    if (lost_ || bytes.empty())
        co_return;
    boost::system::error_code problem;
    co_await asio::async_write(output_, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, problem));
    if (problem)
        lost();
}

void pty_seat::paint(std::string_view bytes)
{
    painted_.paint(bytes);
    if (auto undo = painted_.undo(); undo != undo_)
    {
        undo_ = std::move(undo);
        mode_.undo_with(undo_);
    }
    shown_.cancel();
}

asio::awaitable<void> pty_seat::read_program(std::shared_ptr<pty_seat> self, std::shared_ptr<pty_child> child)
{
    auto& room = self->from_program_;
    std::size_t drained = 0;
    while (self->running_ && self->child_ == child)
    {
        boost::system::error_code problem = asio::error::operation_aborted;
        std::size_t size = 0;
        if (!self->drain_)
            size = co_await child->output().async_read_some(
                asio::buffer(room), asio::redirect_error(asio::use_awaitable, problem));
        if (problem && self->drain_)
        {
            // All that it has written so far can be read without waiting. What it left behind may write for ever.
            size = child->output().read_some(asio::buffer(room), problem);
            drained += size;
            if (problem || drained > limits::drained_bytes_max)
            {
                drained = 0;
                self->drain_ = false;
                self->drained_.cancel();
                continue;
            }
        }
        if (size == 0)
            continue;
        const std::string_view bytes(room.data(), size);
        self->paint(bytes); // first: what is on the terminal is known, for whoever types and for a crash
        co_await self->show(bytes);
    }
}

asio::awaitable<void> pty_seat::all_shown()
{
    boost::system::error_code ignored;
    drain_ = true;
    child_->output().cancel(ignored);
    while (drain_)
        co_await wait_for(drained_);
}

asio::awaitable<void> pty_seat::watch_program(std::shared_ptr<pty_seat> self, std::shared_ptr<pty_child> child)
{
    for (;;)
    {
        const auto change = co_await child->change();
        co_await self->all_shown();
        if (!change)
        {
            self->suspend(*child);
            continue;
        }
        co_await self->show(self->painted_.undo());
        self->exit_ = change;
        co_return self->finish();
    }
}

/// As the program did: to the shell both are one job.
void pty_seat::suspend(pty_child& child)
{
    boost::system::error_code ignored;
    mode_.restore();
    signals_.remove(SIGTSTP, ignored);
    ::kill(0, SIGTSTP);
    // Here `fg` has brought us back.
    signals_.add(SIGTSTP, ignored);
    mode_.raw();
    mode_.undo_with(undo_);
    resize();
    child.signal(SIGCONT);
}

void pty_seat::finish()
{
    child_->hang_up();
    running_ = false;
    listen_no_more();
    mode_.restore();
    shown_.cancel();
    ended_.cancel();
}

asio::awaitable<void> pty_seat::watch_signals(std::shared_ptr<pty_seat> self)
{
    while (self->listening_)
    {
        boost::system::error_code problem;
        const int number = co_await self->signals_.async_wait(asio::redirect_error(asio::use_awaitable, problem));
        if (problem)
            continue;
        if (number == SIGTSTP)
            self->signal(SIGTSTP); // it stops, and then we do
        if (number == SIGCONT)
        {
            // Whoever continues us may have set up the terminal for himself meanwhile.
            if (self->running_)
                self->mode_.raw();
            else
                self->mode_.keys();
        }
        self->resize();
    }
    self->watching_signals_ = false;
}

void pty_seat::signal(int number) noexcept
{
    if (running_)
        child_->signal(number);
}

winsize pty_seat::size()
{
    winsize out{};
    if (::ioctl(output_.native_handle(), TIOCGWINSZ, &out) != 0)
        out = {};
    return out;
}

void pty_seat::resize()
{
    const auto now = size();
    if (running_)
    {
        child_->resize(now);
        if (now.ws_col != room_.ws_col || now.ws_row != room_.ws_row)
            painted_.resize(now.ws_col, now.ws_row);
        room_ = now;
    }
    else
        draw_headline();
}

void pty_seat::lost()
{
    if (lost_)
        return;
    lost_ = true;
    boost::system::error_code ignored;
    output_.cancel(ignored);
    signal(SIGHUP);
    signal(SIGCONT);
    asio::post(
        executor_,
        [self = shared_from_this()]
        {
            if (self->on_lost_)
                self->on_lost_();
        });
}

asio::awaitable<child_exit> pty_seat::ended()
{
    const auto self = shared_from_this();
    while (running_)
        co_await wait_for(ended_);
    co_return exit_.value_or(child_exit{});
}

asio::awaitable<result<void>> pty_seat::type(std::string text)
{
    const auto self = shared_from_this();
    const auto until = std::chrono::steady_clock::now() + limits::paste_shown_within;
    co_await take_turn();
    // What was sent a moment ago may still be painted. A person can type meanwhile.
    while (running_ && !keys_.draft() && !looks_empty() && std::chrono::steady_clock::now() < until)
    {
        give_turn();
        co_await wait_for(shown_, until);
        co_await take_turn();
    }
    auto out = co_await type_in_turn(pasteable(text));
    give_turn();
    co_return out;
}

/// The input in which the cursor stands.
bool pty_seat::looks_empty() const
{
    return painted_.before_cursor().size() <= prompt_sign_max;
}

asio::awaitable<result<void>> pty_seat::type_in_turn(const std::string& text)
{
    if (!running_)
        co_return fail(errc::closed, "no program runs at the terminal");
    const auto before = painted_.before_cursor();
    if (keys_.draft() || !looks_empty())
        co_return fail(errc::conflict, "a draft stands at the terminal");
    if (!painted_.takes_pastes() || text.empty())
        co_return fail(errc::unavailable, "the program at the terminal takes no text now");
    const auto program = child_;
    std::string paste(paste_begin);
    paste.append(text).append(paste_end);
    co_await send(paste);
    const auto until = std::chrono::steady_clock::now() + limits::paste_shown_within;
    while (program == child_ && running_ && !shows_pasted(painted_, before, text, options_.paste_label))
    {
        // Enter would be an answer to whatever is shown instead.
        if (std::chrono::steady_clock::now() >= until)
            co_return fail(errc::unavailable, "the program at the terminal took no text");
        co_await wait_for(shown_, until);
    }
    if (program != child_ || !running_)
        co_return fail(errc::closed, "the program at the terminal has ended");
    co_await send("\r");
    co_return result<void>{};
}

void pty_seat::escape()
{
    asio::co_spawn(executor_, press_escape(shared_from_this()), asio::detached);
}

asio::awaitable<void> pty_seat::press_escape(std::shared_ptr<pty_seat> self)
{
    co_await self->take_turn();
    co_await self->send("\033");
    asio::steady_timer pause(self->executor_);
    co_await wait_for(pause, std::chrono::steady_clock::now() + limits::escape_pause);
    self->give_turn();
}

void pty_seat::open_view(std::string headline, std::function<void()> on_key)
{
    if (running_ || lost_)
        return;
    const bool open = !headline_.empty();
    headline_ = headline.empty() ? " " : std::move(headline);
    on_view_key_ = std::move(on_key);
    keys_.clear();
    mode_.keys();
    mode_.undo_with(view_undo);
    if (!open)
        print("\033[?1049h\033[2J");
    draw_headline();
    listen();
    if (options_.on_taken)
        options_.on_taken(false);
}

void pty_seat::close_view()
{
    if (headline_.empty())
        return;
    headline_.clear();
    on_view_key_ = {};
    listen_no_more();
    print(view_undo);
    mode_.restore();
}

void pty_seat::draw_headline()
{
    if (headline_.empty())
        return;
    const auto room = size();
    const unsigned rows = room.ws_row > 2 ? room.ws_row : 24;
    const unsigned columns = room.ws_col > 2 ? room.ws_col : 80;
    // The rows below scroll, the newest line is the lowest.
    const auto end = std::to_string(rows);
    print("\033[1;1H\033[7m" + printable(headline_, columns) + "\033[K\033[m\033[2;" + end + "r\033[" + end + ";1H");
}

void pty_seat::print(std::string_view bytes)
{
    std::fflush(stdout);
    while (!bytes.empty())
    {
        const auto size = ::write(output_.native_handle(), bytes.data(), bytes.size());
        if (size > 0)
            bytes.remove_prefix(static_cast<std::size_t>(size));
        else if (errno != EINTR)
        {
            constexpr int patience = 1000; // ms: a terminal that takes nothing in so long is left alone
            pollfd ready{output_.native_handle(), POLLOUT, 0};
            if (errno != EAGAIN || ::poll(&ready, 1, patience) != 1)
                return;
        }
    }
}

} // namespace consortium::agent
