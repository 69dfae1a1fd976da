// What one relay does on this machine, from outside: start, memory, latency, durable messages a second.
// Run by hand: build/release/bin/bench_relay build/release/bin/consortium-relay [seconds per row [mirror | metrics]]
// `mirror`: only what a Postgres mirror that catches up costs others, with a PostgreSQL of its own. `metrics`: only
// what it costs that they are counted and asked for.
#include "consortium/common/base64.hpp"
#include "consortium/common/sign.hpp"
#include "consortium/net/http_client.hpp"
#include "link/socket_client.hpp"
#include "postgres/postgres_server.hpp"
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <unordered_map>
#include <vector>

extern char** environ;

namespace
{
namespace asio = boost::asio;
namespace json = boost::json;
using namespace consortium;
using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

double millis(steady::duration time)
{
    return std::chrono::duration<double, std::milli>(time).count();
}

struct percentiles
{
    explicit percentiles(std::vector<double> values) : sorted(std::move(values)) { std::ranges::sort(sorted); }
    double at(double share) const
    {
        return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
    }
    std::vector<double> sorted;
};

template <class T, class Problem>
T need(std::expected<T, Problem> value, const char* what)
{
    if (!value)
        throw std::runtime_error(std::string(what) + ": " + value.error().detail);
    return std::move(*value);
}

std::uint16_t free_port()
{
    asio::io_context context;
    const asio::ip::tcp::acceptor probe(context, {asio::ip::address_v4::loopback(), 0});
    return probe.local_endpoint().port();
}

/// A relay process on a free port and a fresh directory; both end with the object.
class relay_process
{
public:
    explicit relay_process(const std::string& program)
    {
        directory_ = std::filesystem::temp_directory_path() / ("consortium-bench-" + hex_encode(random_array<8>()));
        std::filesystem::create_directories(directory_);
        start(program);
    }
    ~relay_process()
    {
        stop(SIGTERM);
        std::filesystem::remove_all(directory_);
    }

    /// Milliseconds from the start of the process to the line that says where it listens.
    double start(const std::string& program)
    {
        int out[2];
        if (pipe(out) != 0)
            throw std::runtime_error("pipe");
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        posix_spawn_file_actions_addclose(&actions, out[0]);
        const auto data = (directory_ / "data").string();
        std::array<const char*, 10> arguments{program.c_str(), "--port",      "0",    "--data",
                                              data.c_str(),    "--log-level", "warn", "--rate-limits",
                                              "off",           nullptr};
        const auto begun = steady::now();
        if (posix_spawn(&pid_, program.c_str(), &actions, nullptr, const_cast<char**>(arguments.data()), environ) != 0)
            throw std::runtime_error("cannot start " + program);
        posix_spawn_file_actions_destroy(&actions);
        close(out[1]);
        std::string line;
        for (char letter = 0; read(out[0], &letter, 1) == 1 && letter != '\n';)
            line.push_back(letter);
        const auto took = millis(steady::now() - begun);
        const auto at = line.find("http://");
        if (at == std::string::npos)
            throw std::runtime_error("the relay did not start: " + line);
        url_ = line.substr(at);
        keep_open_ = out[0];
        return took;
    }
    void stop(int signal)
    {
        if (pid_ == 0)
            return;
        kill(pid_, signal);
        waitpid(pid_, nullptr, 0);
        close(keep_open_);
        pid_ = 0;
    }

    const std::string& url() const { return url_; }
    /// VmRSS in MiB.
    double resident() const
    {
        std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmRSS:"))
                return std::stod(line.substr(6)) / 1024;
        return 0;
    }
    /// User and system time used so far, in seconds.
    double processor_seconds() const
    {
        std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
        std::string field;
        double ticks = 0;
        for (int i = 1; i <= 15 && stat >> field; ++i)
            if (i >= 14)
                ticks += std::stod(field);
        return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }

private:
    std::filesystem::path directory_;
    std::string url_;
    pid_t pid_ = 0;
    int keep_open_ = -1;
};

asio::awaitable<json::object> call(
    net::http_client& http, const std::string& url, const std::string& method, json::object body,
    const std::string& token = {})
{
    net::client_request request{method, url, {{"Content-Type", "application/json"}}, json::serialize(body)};
    if (!token.empty())
        request.headers.set("Authorization", "Bearer " + token);
    const auto answer = need(co_await http.send(std::move(request)), url.c_str());
    if (answer.status != 200)
        throw std::runtime_error(url + ": " + answer.body);
    co_return json::parse(answer.body).as_object();
}

asio::awaitable<std::string> login(net::http_client& http, const std::string& url)
{
    const auto key = ed25519_key::random();
    const auto public_key = base64_encode(key.public_key());
    const auto offer =
        co_await call(http, url + "/v1/auth/challenge", "POST", {{"publicKey", public_key}, {"origin", url}});
    const auto challenge = offer.at("challenge").as_string();
    const auto signature = key.sign(need(base64_decode(challenge), "challenge"));
    const auto answer = co_await call(
        http, url + "/v1/auth", "POST",
        {{"publicKey", public_key}, {"challenge", challenge}, {"signature", base64_encode(signature)}});
    co_return std::string(answer.at("token").as_string());
}

struct row
{
    std::size_t window = 0;
    double rate = 0;
    double processor = 0; ///< messages a second of the relay's processor time
    percentiles acknowledged{{}};
    percentiles delivered{{}};
};

/// One sender with at most `window` unacknowledged messages, one reader on another socket. `rate`: so many a second,
/// each measured from when it was due; 0: as many as the window lets through.
asio::awaitable<row> measure(
    relay_process& relay, const std::string& token, const std::string& session, std::size_t window,
    steady::duration time, double rate = 0)
{
    const auto executor = co_await asio::this_coro::executor;
    std::unordered_map<std::string, steady::time_point> sent;
    std::vector<double> delivered;
    const std::string content = base64_encode(bytes(768, 0x5a));

    agent::socket_client::handlers reader_handlers;
    reader_handlers.on_event = [&](std::string_view name, json::array& args, agent::socket_client::answer)
    {
        if (name != "update")
            return;
        const auto& body = args.at(0).as_object().at("body").as_object();
        if (body.at("t").as_string() != "new-message")
            return;
        const auto found = sent.find(std::string(body.at("message").as_object().at("localId").as_string()));
        if (found == sent.end())
            return;
        delivered.push_back(millis(steady::now() - found->second));
        sent.erase(found);
    };
    reader_handlers.on_close = [](error) {};
    agent::socket_client_options options{relay.url(), "/v1/updates/", {{"token", token}}, {}};
    const auto reader = need(co_await agent::socket_client::connect(options, reader_handlers), "reader");
    const auto sender = need(co_await agent::socket_client::connect(options, {[](auto...) {}, [](error) {}}), "sender");

    std::vector<double> acknowledged;
    std::size_t outstanding = 0;
    std::string failure;
    asio::steady_timer room(executor, steady::time_point::max());
    const auto run = hex_encode(random_array<6>());
    const auto processor_before = relay.processor_seconds();
    const auto begun = steady::now();
    for (std::size_t n = 0; steady::now() - begun < time && failure.empty(); ++n)
    {
        while (outstanding >= window)
        {
            boost::system::error_code ignored;
            co_await room.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        const auto local_id = run + std::to_string(n);
        auto at = steady::now();
        if (rate > 0)
        {
            at = begun + std::chrono::duration_cast<steady::duration>(
                             std::chrono::duration<double>(static_cast<double>(n) / rate));
            asio::steady_timer due(executor, at);
            co_await due.async_wait(asio::use_awaitable);
        }
        sent.emplace(local_id, at);
        ++outstanding;
        sender->emit_with_ack(
            "message", {json::object{{"sid", session}, {"message", content}, {"localId", local_id}}}, 30s,
            [&, at](result<json::array> answer)
            {
                if (!answer || answer->at(0).as_object().at("result").as_string() != "success")
                    failure = answer ? json::serialize(*answer) : answer.error().detail;
                acknowledged.push_back(millis(steady::now() - at));
                --outstanding;
                room.cancel();
            });
    }
    while (outstanding > 0)
    {
        boost::system::error_code ignored;
        co_await room.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    const auto seconds = millis(steady::now() - begun) / 1000;
    if (!failure.empty())
        throw std::runtime_error("a message was refused: " + failure);
    const auto processor = relay.processor_seconds() - processor_before;
    const auto count = static_cast<double>(acknowledged.size());
    sender->close();
    reader->close();
    co_return row{
        window, count / seconds, count / std::max(processor, 0.01), percentiles(std::move(acknowledged)),
        percentiles(std::move(delivered))};
}

asio::awaitable<std::string> open_session(net::http_client& http, const std::string& url, const std::string& token)
{
    const auto made =
        co_await call(http, url + "/v1/sessions", "POST", {{"tag", "bench"}, {"metadata", "bench"}}, token);
    co_return std::string(made.at("session").as_object().at("id").as_string());
}

/// An account that says 1 KiB, waits for the acknowledgement and a little longer, until the time is over.
asio::awaitable<void> speak_now_and_then(std::string url, steady::time_point end, std::vector<double>& acknowledged)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto http = need(net::http_client::make(executor), "http client");
    const auto token = co_await login(*http, url);
    const auto session = co_await open_session(*http, url, token);
    agent::socket_client_options options{url, "/v1/updates/", {{"token", token}}, {}};
    const auto socket = need(co_await agent::socket_client::connect(options, {[](auto...) {}, [](error) {}}), "socket");
    const std::string content = base64_encode(bytes(768, 0x5a));
    asio::steady_timer pause(executor);
    while (steady::now() < end)
    {
        const auto at = steady::now();
        const auto answer = need(
            co_await socket->emit_with_ack("message", {json::object{{"sid", session}, {"message", content}}}, 30s),
            "message");
        if (answer.at(0).as_object().at("result").as_string() != "success")
            throw std::runtime_error("a message was refused: " + json::serialize(answer));
        acknowledged.push_back(millis(steady::now() - at));
        pause.expires_after(5ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
    socket->close();
}

/// One of several connections of an account that write 8 MB messages without a pause.
asio::awaitable<void>
flood(std::string url, std::string token, std::string session, steady::time_point end, std::size_t& bytes_written)
{
    const auto http = need(net::http_client::make(co_await asio::this_coro::executor), "http client");
    net::client_request request{
        "POST",
        url + "/v3/sessions/" + session + "/messages",
        {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + token}},
        {}};
    const auto content = base64_encode(bytes(6'000'000, 0x5a));
    asio::steady_timer pause(co_await asio::this_coro::executor);
    while (steady::now() < end)
    {
        // Each a message of its own: a localId that is known would be answered without a write.
        request.body =
            R"({"messages":[{"localId":")" + hex_encode(random_array<8>()) + R"(","content":")" + content + R"("}]})";
        const auto answer = co_await http->send(request);
        if (answer && answer->status == 200)
        {
            bytes_written += request.body.size();
            continue;
        }
        // Too much at once: it is told so.
        pause.expires_after(20ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

void run_until_done(asio::io_context& context, std::vector<std::exception_ptr>& failed)
{
    context.run();
    for (const auto& why : failed)
        if (why)
            std::rethrow_exception(why);
}

/// Acknowledgements of eight quiet accounts while another writes 8 MB messages over `floods` connections.
void measure_fairness(const std::string& program, steady::duration time)
{
    std::printf(
        "\nFairness: eight accounts say 1 KiB now and then; another writes 8 MB messages meanwhile (milliseconds)\n"
        "%12s %10s %10s %10s %12s %12s\n",
        "connections", "ack p50", "ack p99", "flood MB/s", "p50 / quiet", "p99 / quiet");
    std::optional<percentiles> quiet;
    for (const std::size_t floods : {0u, 1u, 4u})
    {
        relay_process relay(program);
        const auto end = steady::now() + 1s + time;
        std::size_t bytes_written = 0;
        std::vector<double> acknowledged;
        std::vector<std::exception_ptr> failed(2);
        // The writer has a thread of its own, so that what it costs its client is not counted.
        asio::io_context quiet_side(1);
        asio::io_context flooding_side(1);
        for (int i = 0; i < 8; ++i)
            asio::co_spawn(
                quiet_side, speak_now_and_then(relay.url(), end, acknowledged),
                [&](std::exception_ptr why) { failed[0] = why ? why : failed[0]; });
        asio::co_spawn(
            flooding_side,
            [](std::string url, std::size_t count, steady::time_point until,
               std::size_t& written) -> asio::awaitable<void>
            {
                const auto executor = co_await asio::this_coro::executor;
                const auto http = need(net::http_client::make(executor), "http client");
                const auto token = co_await login(*http, url);
                const auto session = co_await open_session(*http, url, token);
                for (std::size_t i = 0; i < count; ++i)
                    asio::co_spawn(executor, flood(url, token, session, until, written), asio::detached);
            }(relay.url(), floods, end, bytes_written),
            [&](std::exception_ptr why) { failed[1] = why; });
        std::jthread flooding([&] { flooding_side.run(); });
        run_until_done(quiet_side, failed);
        flooding.join();
        percentiles got(std::move(acknowledged));
        if (!quiet)
            quiet = got;
        std::printf(
            "%12zu %10.2f %10.2f %10.1f %12.1f %12.1f\n", floods, got.at(0.5), got.at(0.99),
            static_cast<double>(bytes_written) / 1e6 / std::chrono::duration<double>(time).count(),
            got.at(0.5) / quiet->at(0.5), got.at(0.99) / quiet->at(0.99));
    }
}

asio::awaitable<void> measure_all(relay_process& relay, steady::duration time)
{
    const auto http = need(net::http_client::make(co_await asio::this_coro::executor), "http client");
    const auto token = co_await login(*http, relay.url());
    const auto session = co_await open_session(*http, relay.url(), token);

    std::printf("\nDurable 1 KiB messages, one sender, one reader on another socket (milliseconds)\n");
    std::printf(
        "%8s %12s %16s %10s %10s %14s %14s\n", "window", "messages/s", "per relay CPU-s", "ack p50", "ack p99",
        "delivered p50", "delivered p99");
    for (const std::size_t window : {1u, 16u, 64u, 256u, 1024u})
    {
        const auto got = co_await measure(relay, token, session, window, time);
        std::printf(
            "%8zu %12.0f %16.0f %10.2f %10.2f %14.2f %14.2f\n", got.window, got.rate, got.processor,
            got.acknowledged.at(0.5), got.acknowledged.at(0.99), got.delivered.at(0.5), got.delivered.at(0.99));
    }
    std::printf("\nResident memory afterwards: %.1f MiB\n", relay.resident());
}

/// At a rate that the relay keeps with ease: alone, and beside a mirror that has a whole log to catch up with. By
/// turns, in one run.
asio::awaitable<void> measure_beside_mirror(relay_process& relay, const std::string& program, steady::duration time)
{
    constexpr double rate = 5'000;
    constexpr std::size_t in_flight_max = 4'000;
    const postgres::testing::postgres_server server;
    const auto http = need(net::http_client::make(co_await asio::this_coro::executor), "http client");
    const auto token = co_await login(*http, relay.url());
    const auto session = co_await open_session(*http, relay.url(), token);
    co_await measure(relay, token, session, 256, 20s);

    const auto position = [&]
    { return server.sql("SELECT coalesce(max(lsn), 0) FROM consortium.position")[0][0].as<double>(); };
    std::printf(
        "\nAt %.0f messages a second, alone and beside a mirror that catches up (milliseconds)\n"
        "%8s %12s %10s %10s %12s %14s %14s\n",
        rate, "mirror", "messages/s", "ack p50", "ack p99", "p99 / alone", "mirrored/s", "still behind");
    for (int round = 0; round < 5; ++round)
    {
        double alone = 0;
        for (const bool mirrored : {false, true})
        {
            relay.stop(SIGTERM);
            server.sql("DROP SCHEMA IF EXISTS consortium CASCADE");
            ::unsetenv("DATABASE_URL");
            if (mirrored)
                ::setenv("DATABASE_URL", server.url().c_str(), /*overwrite=*/1);
            relay.start(program);
            if (mirrored)
                while (server.sql("SELECT to_regclass('consortium.position') IS NULL")[0][0].as<bool>() ||
                       position() == 0)
                    std::this_thread::sleep_for(5ms);
            const auto before = mirrored ? position() : 0;
            const auto got = co_await measure(relay, token, session, in_flight_max, time, rate);
            const auto after = mirrored ? position() : 0;
            const auto p99 = got.acknowledged.at(0.99);
            if (!mirrored)
                alone = p99;
            const auto behind =
                mirrored ? server
                               .sql("SELECT extract(epoch FROM clock_timestamp() - max(created_at)) > 1 FROM "
                                    "consortium.messages WHERE lsn = (SELECT max(lsn) FROM consortium.messages)")[0][0]
                               .as<bool>()
                         : false;
            std::printf(
                "%8s %12.0f %10.2f %10.2f %12.2f %14.0f %14s\n", mirrored ? "yes" : "no", got.rate,
                got.acknowledged.at(0.5), p99, p99 / alone,
                (after - before) / std::chrono::duration<double>(time).count(),
                !mirrored ? ""
                : behind  ? "yes"
                          : "no");
            std::fflush(stdout);
        }
    }
    ::unsetenv("DATABASE_URL");
}

/// Asks for /metrics once a second until it is stopped; a client as Prometheus is.
class scraper
{
public:
    explicit scraper(std::string url) : url_(std::move(url)), thread_([this] { context_.run(); })
    {
        asio::co_spawn(context_, scrape(), [this](std::exception_ptr why) { failed_ = why; });
    }
    ~scraper() { stop(); }
    /// Milliseconds that each answer took.
    std::vector<double> finish()
    {
        stop();
        if (failed_)
            std::rethrow_exception(failed_);
        return took_;
    }

private:
    void stop()
    {
        stopping_ = true;
        work_.reset();
        if (thread_.joinable())
            thread_.join();
    }
    asio::awaitable<void> scrape()
    {
        const auto http = need(net::http_client::make(context_.get_executor()), "http client");
        asio::steady_timer pause(context_.get_executor());
        for (auto next = steady::now(); !stopping_; next += 1s)
        {
            const auto at = steady::now();
            const auto answer = need(co_await http->send({"GET", url_, {}, {}}), "/metrics");
            if (answer.status != 200)
                throw std::runtime_error("/metrics: " + answer.body);
            took_.push_back(millis(steady::now() - at));
            for (; !stopping_ && steady::now() < next + 1s; co_await pause.async_wait(asio::use_awaitable))
                pause.expires_after(20ms);
        }
    }

    std::string url_;
    asio::io_context context_{1};
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{context_.get_executor()};
    std::atomic<bool> stopping_ = false;
    std::vector<double> took_;
    std::exception_ptr failed_;
    std::thread thread_;
};

/// A relay that does as much as it can, without a listener for metrics and with one that is asked once a second. By
/// turns, in one run; which goes first changes.
asio::awaitable<void> measure_metrics(relay_process& relay, const std::string& program, steady::duration time)
{
    constexpr std::size_t window = 256;
    constexpr int rounds = 7;
    const auto port = std::to_string(free_port());
    const auto http = need(net::http_client::make(co_await asio::this_coro::executor), "http client");
    const auto token = co_await login(*http, relay.url());
    const auto session = co_await open_session(*http, relay.url(), token);
    co_await measure(relay, token, session, window, time);

    std::array<std::vector<double>, 2> rates;
    std::array<std::vector<double>, 2> processors;
    std::array<std::vector<double>, 2> p99s;
    std::vector<double> answers;
    std::printf(
        "\nDurable 1 KiB messages, %zu unacknowledged; /metrics asked for each second (milliseconds)\n"
        "%8s %12s %16s %10s %10s\n",
        window, "asked", "messages/s", "per relay CPU-s", "ack p50", "ack p99");
    for (int round = 0; round < rounds; ++round)
        for (const bool asked : {round % 2 == 0, round % 2 != 0})
        {
            relay.stop(SIGTERM);
            ::unsetenv("CONSORTIUM_METRICS_LISTEN");
            if (asked)
                ::setenv("CONSORTIUM_METRICS_LISTEN", ("127.0.0.1:" + port).c_str(), /*overwrite=*/1);
            relay.start(program);
            std::optional<scraper> prometheus;
            if (asked)
                prometheus.emplace("http://127.0.0.1:" + port + "/metrics");
            const auto got = co_await measure(relay, token, session, window, time);
            if (asked)
                std::ranges::copy(prometheus->finish(), std::back_inserter(answers));
            std::printf(
                "%8s %12.0f %16.0f %10.2f %10.2f\n", asked ? "yes" : "no", got.rate, got.processor,
                got.acknowledged.at(0.5), got.acknowledged.at(0.99));
            std::fflush(stdout);
            rates[asked].push_back(got.rate);
            processors[asked].push_back(got.processor);
            p99s[asked].push_back(got.acknowledged.at(0.99));
        }
    ::unsetenv("CONSORTIUM_METRICS_LISTEN");
    // Of each turn by itself: what the machine gives changes from one to the next.
    const auto ratio = [](const std::array<std::vector<double>, 2>& of)
    {
        std::vector<double> turns;
        for (std::size_t i = 0; i < of[true].size(); ++i)
            turns.push_back(of[true][i] / of[false][i]);
        return percentiles(std::move(turns)).at(0.5);
    };
    const percentiles answer(std::move(answers));
    std::printf(
        "\nMedians, asked beside not asked: messages/s %.3f, per relay CPU-s %.3f, ack p99 %.3f\n"
        "%zu answers, milliseconds: p50 %.1f, slowest %.1f\n",
        ratio(rates), ratio(processors), ratio(p99s), answer.sorted.size(), answer.at(0.5), answer.at(1));
}

void run(asio::awaitable<void> task)
{
    asio::io_context context(1);
    std::exception_ptr failed;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr why) { failed = why; });
    context.run();
    if (failed)
        std::rethrow_exception(failed);
}

} // namespace

int main(int argc, char** argv)
try
{
    if (argc < 2)
        throw std::runtime_error("usage: bench_relay PATH-OF-CONSORTIUM-RELAY [seconds per row [mirror | metrics]]");
    const std::string program = argv[1];
    const auto time = std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 3);
    init_crypto();
    // It makes many accounts, from one address.
    ::setenv("CONSORTIUM_REGISTRATION", "open", /*overwrite=*/1);
    ::setenv("CONSORTIUM_RATE_LIMITS", "off", /*overwrite=*/1);

    relay_process relay(program);
    if (argc > 3 && std::string_view(argv[3]) == "mirror")
    {
        run(measure_beside_mirror(relay, program, time));
        return 0;
    }
    if (argc > 3 && std::string_view(argv[3]) == "metrics")
    {
        run(measure_metrics(relay, program, time));
        return 0;
    }
    std::vector<double> starts;
    for (int i = 0; i < 10; ++i)
    {
        relay.stop(SIGTERM);
        starts.push_back(relay.start(program));
    }
    const percentiles start(std::move(starts));
    std::printf(
        "Start to listening, milliseconds, 10 starts: p50 %.0f, slowest %.0f\nResident memory idle: %.1f MiB\n",
        start.at(0.5), start.at(1), relay.resident());

    run(measure_all(relay, time));
    measure_fairness(program, time);
    return 0;
}
catch (const std::exception& problem)
{
    std::fprintf(stderr, "bench_relay: %s\n", problem.what());
    return 1;
}
