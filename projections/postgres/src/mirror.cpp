#include "consortium/postgres/mirror.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/postgres/limits.hpp"
#include "mirror_writer.hpp"
#include "verify.hpp"
#include <condition_variable>
#include <future>
#include <mutex>
#include <pqxx/except>
#include <pqxx/transaction>
#include <pthread.h>
#include <random>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace consortium::postgres
{
namespace
{

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using event_list = std::vector<std::shared_ptr<const log::event>>;

/// The class of these SQLSTATEs.
constexpr std::string_view integrity_violation = "23";

template <class T>
T value_or_throw(result<T> from)
{
    if (!from)
        throw std::runtime_error(from.error().detail);
    return std::move(*from);
}

/// How long to wait before the next attempt: twice as long each time, and not everybody at once.
class backoff
{
public:
    explicit backoff(milliseconds max) : max_(max) {}
    void reset() { next_ = limits::mirror_retry_min; }
    milliseconds next()
    {
        const auto longest = std::min(next_, max_);
        next_ = std::min(longest * 2, max_);
        return milliseconds(
            std::uniform_int_distribution<std::int64_t>((longest.count() + 1) / 2, longest.count())(random_));
    }

private:
    const milliseconds max_;
    milliseconds next_ = limits::mirror_retry_min;
    std::minstd_rand random_{std::random_device()()};
};

class log_mirror final : public mirror
{
public:
    log_mirror(const mirror_options& wanted, log::event_log& source, const clock_source& time)
        : options_(wanted), source_(source), time_(time), retries_(wanted.retry)
    {
        thread_ = std::thread([this] { run(); });
        ::pthread_setname_np(thread_.native_handle(), "mirror");
    }
    ~log_mirror() override { stop(); }

    mirror_status status() const override
    {
        auto out = [this]
        {
            const std::lock_guard lock(guard_);
            return status_;
        }();
        // After the mirror was asked: it cannot be ahead.
        const auto at = source_.read();
        out.head = at->head();
        if (out.position == out.head)
            out.lag = milliseconds(0);
        else if (out.position)
            if (const auto first = at->read(out.position->next()))
                out.lag = milliseconds(std::max<unix_millis>(time_.now() - first->header.time, 0));
        return out;
    }

    void rebuild() override
    {
        const std::lock_guard lock(guard_);
        rebuild_wanted_ = true;
        wake();
    }

    result<verify_report> verify() override
    {
        std::future<result<verify_report>> answer;
        {
            const std::lock_guard lock(guard_);
            if (stopping_)
                return fail(errc::closed, "the relay is stopping");
            if (status_.doing == mirror_status::phase::connecting)
                return fail(
                    errc::unavailable, status_.last_error.empty()
                                           ? "the mirror does not follow yet"
                                           : "the mirror does not follow: " + status_.last_error);
            if (verification_)
                return fail(errc::unavailable, "the mirror is being verified already");
            verification_.emplace();
            answer = verification_->get_future();
            wake();
        }
        return answer.get();
    }

    void stop() override
    {
        {
            const std::lock_guard lock(guard_);
            stopping_ = true;
            wake();
        }
        changed_.notify_all();
        dog_.stop();
        if (thread_.joinable())
            thread_.join();
    }

private:
    void run()
    {
        // Only this thread: Linux has a niceness for each.
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), limits::mirror_niceness);
        while (!stopping())
        {
            try
            {
                follow();
            }
            catch (const std::exception& failed)
            {
                note_failure(failed.what());
            }
            end_verification(fail(errc::unavailable, "the mirror lost its Postgres meanwhile"));
            std::unique_lock lock(guard_);
            changed_.wait_for(lock, retries_.next(), [this] { return stopping_; });
        }
        end_verification(fail(errc::closed, "the relay is stopping"));
    }

    /// Connects, and writes what happens until something fails or everything stops.
    void follow()
    {
        mirror_writer to(options_.where, {.connecting = options_.connect_timeout, .working = options_.timeout}, dog_);
        begin(to);
        auto heard = clock::now();
        while (!stopping())
        {
            if (wants_rebuild())
                start_over(to, "it was asked for");
            if (wants_verification())
                end_verification(verify_now(to));
            const auto begun = clock::now();
            const auto head = source_.read()->head();
            if (const auto batch = gather(limits::mirror_batch_events_max); !batch.empty())
                write(to, batch);
            else if (clock::now() - heard < limits::mirror_heartbeat)
                continue;
            else if (position_in(to) != reached_)
                throw position_moved();
            note_progress();
            heard = clock::now();
            if (reached_.at < head)
                yield(heard - begun, head);
        }
    }

    /// While others write, catching up takes half of the time at most, for Postgres may be on the same machine: they go
    /// first. `took`: the last batch, at whose beginning the log ended with `head`.
    void yield(clock::duration took, lsn head)
    {
        if (source_.read()->head() == head)
            return;
        std::unique_lock lock(guard_);
        changed_.wait_for(lock, took, [this] { return stopping_; });
    }

    /// Where to go on is Postgres' word, for a transaction whose end nobody heard may have been written or not.
    void begin(mirror_writer& to)
    {
        // Whatever else it holds, which might not even be readable.
        const bool anew = wants_rebuild();
        const auto known = anew ? std::nullopt : to.position();
        const auto id = source_.id();
        if (anew)
            start_over(to, "it was asked for");
        else if (!known)
            start_over(to, "");
        else if (known->log != id)
            start_over(to, "it holds another log, " + to_string(known->log));
        else if (!is_of_the_log(*known))
            start_over(to, "the log was set back since");
        else
            go_on_from(*known);
        if (!said_.empty())
        {
            // While there is something to write it is still to be seen whether it follows again.
            if (reached_.at == source_.read()->head())
                note_progress();
            return;
        }
        set_phase(mirror_status::phase::following);
        spdlog::info(
            "the Postgres mirror ({}) follows the log from record {} on", options_.where.description(),
            reached_.at.next().value);
    }

    bool is_of_the_log(const mirror_writer::reached& known) const
    {
        if (known.at == lsn{})
            return true;
        const auto last = source_.read()->read(known.at);
        if (!last && last.error() == errc::not_found)
            return false;
        return fingerprint(value_or_throw(last)) == known.last_event;
    }

    /// `why`: empty where it holds nothing yet.
    void start_over(mirror_writer& to, const std::string& why)
    {
        to.start_over(source_.id());
        if (why.empty())
            spdlog::info("the Postgres mirror holds nothing yet and is filled from the log");
        else
            spdlog::warn("the Postgres mirror was emptied and is filled anew: {}", why);
        go_on_from({source_.id(), {}, {}});
        const std::lock_guard lock(guard_);
        rebuild_wanted_ = false;
    }

    void go_on_from(const mirror_writer::reached& where)
    {
        auto feed = value_or_throw(source_.follow(where.at));
        reached_ = where;
        const std::lock_guard lock(guard_);
        feed_ = std::move(feed);
        status_.position = where.at;
    }

    /// What libpqxx says when a connection ends meanwhile is about itself.
    static std::runtime_error connection_lost(const pqxx::failure& what)
    {
        return std::runtime_error(
            "the connection was lost, or Postgres did not complete a transaction in time: " + std::string(what.what()));
    }

    static std::optional<mirror_writer::reached> position_in(mirror_writer& to)
    {
        try
        {
            return to.position();
        }
        catch (const pqxx::sql_error&)
        {
            throw;
        }
        catch (const pqxx::failure& lost)
        {
            throw connection_lost(lost);
        }
    }

    void write(mirror_writer& to, const event_list& batch)
    {
        try
        {
            to.write(reached_, batch);
        }
        catch (const pqxx::sql_error& refused)
        {
            if (!refused.sqlstate().starts_with(integrity_violation))
                throw;
            throw std::runtime_error(
                "it holds rows that it should not hold yet at its position: consortium-admin mirror rebuild makes it "
                "anew (" +
                std::string(refused.what()) + ")");
        }
        catch (const pqxx::failure& lost)
        {
            throw connection_lost(lost);
        }
        reached_.at = batch.back()->number;
        reached_.last_event = fingerprint(*batch.back());
        const std::lock_guard lock(guard_);
        status_.position = reached_.at;
    }

    /// At most `count` of the next events; as many as come while a batch may wait for more.
    event_list gather(std::size_t count)
    {
        auto out = take(count, limits::mirror_heartbeat);
        std::size_t bytes = bytes_of(out);
        const auto until = clock::now() + limits::mirror_batch_linger;
        while (!out.empty() && out.size() < count && bytes < limits::mirror_batch_bytes_max)
        {
            const auto left = std::chrono::ceil<milliseconds>(until - clock::now());
            if (left <= milliseconds(0))
                break;
            const auto more = take(count - out.size(), left);
            bytes += bytes_of(more);
            out.insert(out.end(), more.begin(), more.end());
            if (more.empty())
                break;
        }
        return out;
    }
    event_list take(std::size_t count, milliseconds wait)
    {
        return value_or_throw(feed_->take(count, limits::mirror_batch_bytes_max, wait));
    }
    static std::size_t bytes_of(const event_list& events)
    {
        std::size_t out = 0;
        for (const auto& one : events)
            out += one->header.body_bytes;
        return out;
    }

    result<verify_report> verify_now(mirror_writer& to)
    {
        const auto at = source_.read();
        while (reached_.at < at->head() && !stopping())
            if (const auto batch = gather(
                    std::min<std::size_t>(limits::mirror_batch_events_max, at->head().value - reached_.at.value));
                !batch.empty())
                write(to, batch);
        if (stopping())
            return fail(errc::closed, "the relay is stopping");
        set_phase(mirror_status::phase::verifying);
        const watchdog::watch watch(dog_, to.connection().sock(), limits::mirror_verification_max);
        pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> in(to.connection());
        in.exec("SET LOCAL statement_timeout = 0");
        in.exec("SET LOCAL idle_in_transaction_session_timeout = 0");
        auto report = verify_rows(in, *at);
        in.commit();
        set_phase(mirror_status::phase::following);
        return report;
    }

    void end_verification(result<verify_report> with)
    {
        const std::lock_guard lock(guard_);
        if (verification_)
            verification_->set_value(std::move(with));
        verification_.reset();
    }

    void note_failure(const char* what)
    {
        const auto said = printable(what);
        const std::lock_guard lock(guard_);
        feed_.reset();
        status_.doing = mirror_status::phase::connecting;
        if (stopping_)
            return;
        ++status_.failures;
        // Once for each that is another, not for each attempt.
        if (std::exchange(said_, said) != said)
            spdlog::warn(
                "the Postgres mirror ({}) does not follow, which nobody but its readers notices; it tries again: {}",
                options_.where.description(), said);
        status_.last_error = said;
        status_.last_error_at = time_.now();
    }

    void note_progress()
    {
        retries_.reset();
        set_phase(mirror_status::phase::following);
        if (std::exchange(said_, {}).empty())
            return;
        spdlog::info("the Postgres mirror follows the log again, up to record {}", reached_.at.value);
    }

    void set_phase(mirror_status::phase to)
    {
        const std::lock_guard lock(guard_);
        status_.doing = to;
    }
    bool stopping() const
    {
        const std::lock_guard lock(guard_);
        return stopping_;
    }
    bool wants_rebuild() const
    {
        const std::lock_guard lock(guard_);
        return rebuild_wanted_;
    }
    bool wants_verification() const
    {
        const std::lock_guard lock(guard_);
        return verification_.has_value();
    }
    /// With the guard.
    void wake()
    {
        if (feed_)
            feed_->wake();
    }

    const mirror_options options_;
    log::event_log& source_;
    const clock_source& time_;
    watchdog dog_;
    mutable std::mutex guard_;
    std::condition_variable changed_;
    mirror_status status_;
    bool stopping_ = false;
    bool rebuild_wanted_ = false;
    std::optional<std::promise<result<verify_report>>> verification_;
    std::unique_ptr<log::event_feed> feed_;

    // Of the thread alone.
    mirror_writer::reached reached_;
    std::string said_; ///< of what is wrong, in the log
    backoff retries_;
    std::thread thread_;
};

} // namespace

std::unique_ptr<mirror> start_mirror(const mirror_options& wanted, log::event_log& source, const clock_source& time)
{
    return std::make_unique<log_mirror>(wanted, source, time);
}

} // namespace consortium::postgres
