#include "consortium/common/base64.hpp"
#include "postgres/writer_fixture.hpp"
#include "schema.hpp"
#include "tables.hpp"
#include <arpa/inet.h>
#include <fstream>
#include <future>
#include <malloc.h>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

using namespace consortium;
using namespace consortium::postgres;
using namespace consortium::projections;
using namespace consortium::postgres::testing;

namespace
{

std::uint64_t seed()
{
    const auto* given = std::getenv("SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

/// What went wrong, as it would be said.
std::string failure_of(auto&& task)
{
    try
    {
        task();
    }
    catch (const std::exception& failed)
    {
        return failed.what();
    }
    return "nothing failed";
}

/// Listens and never says a word.
class silent_server
{
public:
    silent_server() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(socket_, 8), 0);
        EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        url_ =
            database_url::parse("postgresql://u@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/d").value();
    }
    ~silent_server() { ::close(socket_); }
    const database_url& url() const { return url_; }

private:
    int socket_;
    database_url url_;
};

class mirror_writing : public ::testing::Test
{
protected:
    mirrored_log mirror_;
    random_history history_;

    principal sign_in(std::uint8_t account_key, std::uint8_t device_key)
    {
        auto wanted = stated_account(account_key).sign_in(device_key, device_kind::browser);
        EXPECT_TRUE(history_.log.submit(wanted).has_value());
        return {wanted.found_account, wanted.found_device, wanted.found_kind};
    }
    session_id session_of(const principal& who, const std::string& tag, std::size_t messages)
    {
        auto wanted = session_wish(who, tag);
        EXPECT_TRUE(history_.log.submit(wanted).has_value());
        for (std::size_t i = 0; i < messages; ++i)
        {
            auto message = message_wish(who, wanted.session, {{base64_encode(make_uuid_v4()), {}}});
            EXPECT_TRUE(history_.log.submit(message).has_value());
        }
        return wanted.session;
    }
    std::size_t rows(std::string_view table)
    {
        return mirror_.server.sql("SELECT count(*) FROM " + std::string(table))[0][0].as<std::size_t>();
    }
};

} // namespace

// Goal: whatever happens, the mirror says what the views and the log say. Method: random histories, followed as they
// happen, and once more from the beginning, when what was deleted has no bodies any more, in batches of random size.
TEST_F(mirror_writing, says_what_the_views_say_live_and_catching_up)
{
    const auto from = seed();
    for (std::uint64_t round = 0; round < 8 && !HasFailure(); ++round)
    {
        SCOPED_TRACE("SEED=" + std::to_string(from + round));
        std::mt19937_64 random(from + round);
        random_history history;
        mirror_.writer->start_over(mirror_.id);
        mirror_.at = {};
        for (const auto& step : histories()(rc::Random(from + round), 100).value())
        {
            history.run({step});
            if (random() % 8 == 0)
                mirror_.follow(history.log, 1 + random() % 20);
        }
        mirror_.follow(history.log);
        mirror_.expect_equal(history.log);

        mirror_.writer->start_over(mirror_.id);
        mirror_.at = {};
        mirror_.follow(history.log, 1 + random() % 50);
        mirror_.expect_equal(history.log);
    }
}

TEST_F(mirror_writing, of_what_is_deleted_no_row_is_left)
{
    const auto who = sign_in(1, 10);
    const auto doomed = session_of(who, "doomed", 30);
    session_of(who, "kept", 3);
    auto machine = machine_wish(who, "doomed");
    ASSERT_TRUE(history_.log.submit(machine));
    auto metadata = about<change_session_metadata>(who, doomed);
    metadata.expected = find_session(memory_snapshot(history_.log), who.account, doomed)->metadata_version;
    metadata.metadata = "changed";
    ASSERT_TRUE(history_.log.submit(metadata));
    auto state = about<change_agent_state>(who, doomed);
    state.state = "state";
    ASSERT_TRUE(history_.log.submit(state));
    mirror_.follow(history_.log);
    // Or this test would show nothing.
    all_tables::each([&]<class Table>() { EXPECT_GT(rows(Table::name), 0u) << Table::name; });

    auto deleted = about<delete_session>(who, doomed);
    ASSERT_TRUE(history_.log.submit(deleted));
    auto removed = about<remove_machine>(who, "doomed");
    ASSERT_TRUE(history_.log.submit(removed));
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
    EXPECT_EQ(rows("consortium.messages"), 3u);
    EXPECT_EQ(rows("consortium.machine_events"), 0u);

    auto all = by<delete_account>(who);
    ASSERT_TRUE(history_.log.submit(all));
    mirror_.follow(history_.log);
    all_tables::each([&]<class Table>() { EXPECT_EQ(rows(Table::name), 0u) << Table::name; });
    mirror_.expect_equal(history_.log);
}

// More rows than are erased in one transaction.
TEST_F(mirror_writing, a_large_deletion_reaches_it)
{
    const auto who = sign_in(1, 10);
    const auto doomed = session_of(who, "doomed", 1);
    session_of(who, "kept", 1);
    mirror_.follow(history_.log);
    mirror_.server.sql(
        "INSERT INTO consortium.messages SELECT 1000000 + n, account_id, session_id, n, id, NULL, content, created_at, "
        "revision, size FROM consortium.messages, generate_series(2, 25001) AS n WHERE session_id = '" +
        to_string(doomed) + "'");
    auto deleted = about<delete_session>(who, doomed);
    ASSERT_TRUE(history_.log.submit(deleted));
    mirror_.follow(history_.log);
    EXPECT_EQ(rows("consortium.messages"), 1u);
    mirror_.expect_equal(history_.log);
}

// Goal: no text of a client's is ever read as SQL, ends a row early or stops the mirror.
TEST_F(mirror_writing, texts_of_clients_are_texts)
{
    const std::string nul("with\0nul", 8);
    const std::vector<std::string> texts{
        "'); DROP TABLE consortium.messages; --",
        "\\.",
        "\\N",
        "\\",
        "a\tb\nc\rd\be\ff\vg",
        "\"}, {NULL}",
        "$1 $$ $a$",
        "E'\\000'",
        "\\x00",
        "%s%n{}",
        "\xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80\xef\xbf\xbf",
        nul,
        std::string("\0", 1),
        "\n\\.\n",
        "/* ",
        "NULL;",
        std::string(256, '\'')};
    const auto who = sign_in(1, 10);
    for (const auto& text : texts)
    {
        SCOPED_TRACE(text);
        auto session = session_wish(who, text);
        session.metadata = text;
        ASSERT_TRUE(history_.log.submit(session));
        auto message = message_wish(who, session.session, {{text, text}});
        ASSERT_TRUE(history_.log.submit(message));
        auto state = about<change_agent_state>(who, session.session);
        state.state = text;
        ASSERT_TRUE(history_.log.submit(state));
        auto machine = machine_wish(who, text);
        machine.daemon_state = text;
        ASSERT_TRUE(history_.log.submit(machine));
        mirror_.follow(history_.log);
    }
    mirror_.expect_equal(history_.log);
    const auto found = mirror_.server.sql(
        "SELECT local_id, convert_from(content, 'UTF8') FROM consortium.messages WHERE position('\\x00'::bytea in "
        "content) = 0 ORDER BY lsn");
    ASSERT_EQ(found.size(), texts.size() - 2);
    EXPECT_EQ(found[0][0].as<std::string>(), texts[0]);
    EXPECT_EQ(found[4][1].as<std::string>(), texts[4]);
    EXPECT_EQ(
        mirror_.server.sql("SELECT count(*) FROM consortium.machines WHERE machine_id = E'with\\uFFFDnul'")[0][0]
            .as<int>(),
        1);
}

// Goal: nothing is written twice or left out when the connection breaks, whenever that is. Method: Postgres is killed
// again and again; the position that it says afterwards is where to go on.
TEST_F(mirror_writing, goes_on_where_a_killed_postgres_is)
{
    const auto who = sign_in(1, 10);
    session_of(who, "session", 600);
    std::mt19937_64 random(seed());
    for (int round = 0; round < 6; ++round)
    {
        session_of(who, "session " + std::to_string(round), 50);
        std::atomic<bool> done = false;
        std::thread killer(
            [&, pause = std::chrono::microseconds(random() % 60'000)]
            {
                std::this_thread::sleep_for(pause);
                mirror_.server.kill();
                done = true;
            });
        while (!done)
            try
            {
                mirror_.follow(history_.log, 1 + random() % 7);
            }
            catch (const std::exception&)
            {
                break;
            }
        killer.join();
        mirror_.server.start();
        mirror_.connect();
    }
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
}

TEST_F(mirror_writing, notices_that_somebody_else_wrote)
{
    sign_in(1, 10);
    mirror_.server.sql("UPDATE consortium.position SET lsn = 1");
    EXPECT_THROW(mirror_.follow(history_.log), position_moved);
    EXPECT_EQ(rows("consortium.accounts"), 0u);
    mirror_.server.sql("UPDATE consortium.position SET lsn = 0, log_id = gen_random_uuid()");
    EXPECT_THROW(mirror_.follow(history_.log), position_moved);
    EXPECT_EQ(rows("consortium.accounts"), 0u);
}

TEST_F(mirror_writing, is_done_by_one_alone)
{
    const auto said = failure_of(
        [&] { mirror_writer(database_url::parse(mirror_.server.url()).value(), mirrored_log::limits, mirror_.dog); });
    EXPECT_TRUE(said.starts_with("another relay writes to this database")) << said;
    EXPECT_NE(said.find("the role postgres, process "), std::string::npos) << said;
    mirror_.connect();
}

TEST_F(mirror_writing, verification_finds_each_row_that_is_wrong)
{
    const auto who = sign_in(1, 10);
    session_of(who, "session", 4);
    auto machine = machine_wish(who, "machine");
    ASSERT_TRUE(history_.log.submit(machine));
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
    for (const auto* wrong :
         {"UPDATE consortium.messages SET content = '\\x00' WHERE seq = 2",
          "DELETE FROM consortium.messages WHERE seq = 4",
          "UPDATE consortium.messages SET created_at = created_at + '1 ms' WHERE seq = 1",
          "UPDATE consortium.messages SET local_id = 'another' WHERE seq = 1",
          "INSERT INTO consortium.messages SELECT 999, account_id, session_id, 9, id, local_id, content, created_at, "
          "revision, size FROM consortium.messages WHERE seq = 1",
          "UPDATE consortium.sessions SET seq = 3", "UPDATE consortium.sessions SET active = false",
          "DELETE FROM consortium.sessions", "UPDATE consortium.devices SET revoked_at = now()",
          "UPDATE consortium.accounts SET account_id = gen_random_uuid()", "DELETE FROM consortium.machines",
          "UPDATE consortium.machine_events SET event = 'machine_online'", "DELETE FROM consortium.metadata_versions",
          "INSERT INTO consortium.agent_state_versions SELECT * FROM consortium.metadata_versions"})
    {
        mirror_.server.sql(wrong);
        const auto report = mirror_.verify(history_.log);
        EXPECT_EQ(report.differences, 1u) << wrong;
        EXPECT_EQ(report.findings.size(), 1u) << wrong;
        mirror_.writer->start_over(mirror_.id);
        mirror_.at = {};
        mirror_.follow(history_.log);
    }
    mirror_.expect_equal(history_.log);
}

/// The most memory that this process had since the last call, in bytes.
std::size_t peak_memory()
{
    std::size_t out = 0;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:"))
            out = std::stoul(line.substr(6)) << 10;
    std::ofstream("/proc/self/clear_refs") << "5"; // proc(5): the peak is what it is now
    return out;
}

// Goal: however large the rows are, a verification has few of them in memory, those that somebody else made too.
TEST_F(mirror_writing, verification_holds_few_large_rows_at_once)
{
    const auto who = sign_in(1, 10);
    const auto session = session_of(who, "session", 0);
    constexpr std::size_t large = 2u << 20;
    for (int i = 0; i < 60; ++i)
    {
        auto message = message_wish(who, session, {{std::string(large, static_cast<char>('a' + i % 26)) + "!", {}}});
        ASSERT_TRUE(history_.log.submit(message));
    }
    mirror_.follow(history_.log, 1);
    mirror_.server.sql("INSERT INTO consortium.messages SELECT 1000000 + n, account_id, session_id, n, id, "
                       "repeat('x', 2000000), content, created_at, revision, size FROM consortium.messages, "
                       "generate_series(1, 60) AS n WHERE seq = 1");
    ::malloc_trim(0); // what was freed is no room for what comes
    peak_memory();
    const auto before = peak_memory();
    const auto report = mirror_.verify(history_.log);
    EXPECT_EQ(report.differences, 60u);
    // As Postgres writes them the rows have 600 MiB. The events have 120, which a log in memory gives all at once.
    EXPECT_LT(peak_memory(), before + (200u << 20));
}

TEST_F(mirror_writing, makes_what_is_missing_of_its_schema_anew)
{
    sign_in(1, 10);
    for (const auto* wiped :
         {"DROP SCHEMA consortium CASCADE", "DROP TABLE consortium.messages", "DROP TABLE consortium.position",
          "DROP TABLE consortium.migrations", "DELETE FROM consortium.migrations", "TRUNCATE consortium.position"})
    {
        SCOPED_TRACE(wiped);
        mirror_.follow(history_.log);
        mirror_.expect_equal(history_.log);
        mirror_.writer.reset();
        mirror_.server.sql(wiped);
        mirror_.connect();
        EXPECT_EQ(mirror_.at, lsn{});
    }
}

TEST_F(mirror_writing, refuses_a_newer_schema_by_name)
{
    mirror_.writer.reset();
    mirror_.server.sql("INSERT INTO consortium.migrations (number, name) VALUES (900, '900_from_the_future')");
    const auto said = failure_of([&] { mirror_.connect(); });
    EXPECT_NE(said.find("newer version"), std::string::npos) << said;
    EXPECT_NE(said.find("900_from_the_future"), std::string::npos) << said;
    EXPECT_EQ(rows("consortium.position"), 1u);
}

TEST_F(mirror_writing, refuses_a_database_that_cannot_hold_every_text)
{
    mirror_.server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0", "postgres");
    const auto where = database_url::parse(mirror_.server.url("postgres", "latin")).value();
    const auto said = failure_of([&] { mirror_writer(where, mirrored_log::limits, mirror_.dog); });
    EXPECT_NE(said.find("LATIN1"), std::string::npos) << said;
}

// Goal: the relay's role needs its schema and nothing else.
TEST_F(mirror_writing, needs_no_more_than_its_schema)
{
    mirror_.writer.reset();
    mirror_.server.sql("DROP SCHEMA consortium CASCADE");
    mirror_.server.sql("CREATE ROLE relay LOGIN");
    const auto said = failure_of([&] { mirror_.connect(mirrored_log::limits, "relay"); });
    EXPECT_NE(said.find("CREATE SCHEMA consortium AUTHORIZATION"), std::string::npos) << said;
    mirror_.server.sql("CREATE SCHEMA consortium AUTHORIZATION relay");
    mirror_.connect(mirrored_log::limits, "relay");
    sign_in(1, 10);
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
    mirror_.writer->start_over(mirror_.id);
}

TEST_F(mirror_writing, a_read_only_database_is_an_error_and_no_more)
{
    sign_in(1, 10);
    mirror_.server.sql("ALTER DATABASE mirror SET default_transaction_read_only = on");
    const auto said = failure_of(
        [&]
        {
            mirror_.connect();
            mirror_.follow(history_.log);
        });
    EXPECT_NE(said.find("read-only transaction"), std::string::npos) << said;
    mirror_.server.sql("ALTER DATABASE mirror RESET default_transaction_read_only", "postgres");
    mirror_.connect();
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
}

// Goal: a Postgres that does not answer any more is waited for as long as was said, and no longer.
TEST_F(mirror_writing, a_stalled_postgres_is_given_up)
{
    sign_in(1, 10);
    mirror_.connect({.connecting = 20s, .working = 1s});
    mirror_.server.signal(SIGSTOP);
    EXPECT_NE(failure_of([&] { mirror_.follow(history_.log); }), "nothing failed");
    mirror_.server.signal(SIGCONT);
    mirror_.connect();
    mirror_.follow(history_.log);
    mirror_.expect_equal(history_.log);
}

// Goal: a host may have several addresses, of which some are of no use: localhost is ::1 too, where nobody listens.
TEST_F(mirror_writing, a_host_is_reached_by_its_name)
{
    mirror_.writer.reset();
    const auto where =
        database_url::parse("postgresql://postgres@localhost:" + std::to_string(mirror_.server.port()) + "/mirror");
    mirror_writer to(where.value(), mirrored_log::limits, mirror_.dog);
    EXPECT_TRUE(to.position());
}

// Goal: the certificate must be of the host, by whatever address it is reached: of the one that is looked up here, and
// of the one that DATABASE_URL names beside its address.
TEST_F(mirror_writing, the_certificate_must_be_the_hosts)
{
    mirror_.writer.reset();
    const auto certificate = mirror_.server.take_tls({"localhost", "mirror.example"});
    const auto said_of = [&](const std::string& host, const std::string& more)
    {
        const auto where = database_url::parse(
            "postgresql://postgres@" + host + ":" + std::to_string(mirror_.server.port()) +
            "/mirror?sslmode=verify-full&sslrootcert=" + certificate.string() + more);
        return failure_of(
            [&]
            {
                mirror_writer to(where.value(), mirrored_log::limits, mirror_.dog);
                pqxx::nontransaction in(to.connection());
                EXPECT_TRUE(in.exec("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0][0].as<bool>());
            });
    };
    EXPECT_EQ(said_of("localhost", ""), "nothing failed");
    EXPECT_EQ(said_of("mirror.example", "&hostaddr=127.0.0.1"), "nothing failed");
    for (const auto& [host, more] : std::vector<std::pair<std::string, std::string>>{
             {"127.0.0.1", ""}, {"other.example", "&hostaddr=127.0.0.1"}, {"127.0.0.1", "&hostaddr=127.0.0.1"}})
    {
        const auto said = said_of(host, more);
        EXPECT_NE(said.find("does not match host name"), std::string::npos) << host << more << ": " << said;
    }
}

TEST(mirror_connection, a_silent_server_is_given_up)
{
    const silent_server server;
    watchdog dog;
    const auto said = failure_of([&] { mirror_writer(server.url(), {.connecting = 300ms, .working = 1s}, dog); });
    EXPECT_NE(said.find("in time"), std::string::npos) << said;
}

TEST(mirror_connection, ends_at_once_when_it_is_told_to_stop)
{
    const silent_server server;
    watchdog dog;
    auto connecting = std::async(
        std::launch::async,
        [&] { return failure_of([&] { mirror_writer(server.url(), {.connecting = 1h, .working = 1h}, dog); }); });
    EXPECT_EQ(connecting.wait_for(50ms), std::future_status::timeout);
    dog.stop();
    EXPECT_NE(connecting.get().find("stopped"), std::string::npos);
}
