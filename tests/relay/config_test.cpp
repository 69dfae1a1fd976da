#include "config.hpp"
#include "consortium/common/secret.hpp"
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

parsed_config parse(std::vector<const char*> args)
{
    args.insert(args.begin(), "consortium-relay");
    return parse_config(static_cast<int>(args.size()), args.data());
}

class config_test : public ::testing::Test
{
protected:
    static void SetUpTestSuite() { init_crypto(); }
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "config-XXXXXX").string();
        place = ::mkdtemp(pattern.data());
        for (const auto* name :
             {"PORT", "CONSORTIUM_DATA_DIR", "CONSORTIUM_MASTER_SECRET", "CONSORTIUM_PUBLIC_URL", "DATABASE_URL"})
            ::unsetenv(name);
    }
    void TearDown() override
    {
        std::filesystem::remove_all(place);
        for (const auto* name :
             {"PORT", "CONSORTIUM_DATA_DIR", "CONSORTIUM_MASTER_SECRET", "CONSORTIUM_PUBLIC_URL", "DATABASE_URL"})
            ::unsetenv(name);
    }

    std::filesystem::path place;
};

TEST_F(config_test, has_defaults)
{
    const auto out = parse({});
    EXPECT_FALSE(out.exit_code);
    EXPECT_EQ(out.settings.port, 3005);
    EXPECT_EQ(out.settings.listen, "127.0.0.1");
    EXPECT_GE(out.settings.io_threads, 1u);
    EXPECT_EQ(out.settings.ping_interval, 15s);
    EXPECT_EQ(out.settings.rpc_timeout, 30s);
}

TEST_F(config_test, the_first_account_is_free_where_only_this_machine_reaches_the_relay)
{
    using by = projections::registration::by;
    const auto of = [](std::vector<const char*> args) { return registration_of(parse(std::move(args)).settings); };
    EXPECT_EQ(of({}).allowed, by::invitation);
    EXPECT_TRUE(of({}).first_is_free);
    EXPECT_TRUE(of({"--listen", "127.1.2.3"}).first_is_free);
    EXPECT_TRUE(of({"--listen", "::1"}).first_is_free);
    for (const auto* beyond : {"0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"})
        EXPECT_FALSE(of({"--listen", beyond}).first_is_free) << beyond;
    EXPECT_FALSE(of({"--public-url", "https://relay.example"}).first_is_free);
    EXPECT_FALSE(of({"--trusted-proxy", "127.0.0.1"}).first_is_free);
    EXPECT_EQ(of({"--registration", "open"}).allowed, by::anybody);
    EXPECT_EQ(of({"--registration", "closed"}).allowed, by::nobody);
    EXPECT_EQ(parse({"--registration", "perhaps"}).exit_code, 2);
    const auto bounds = parse({"--account-mib", "3", "--account-sessions", "4", "--invitation-hours", "5"}).settings;
    EXPECT_EQ(bounds.quotas.bytes, 3u << 20);
    EXPECT_EQ(bounds.quotas.sessions, 4u);
    EXPECT_EQ(bounds.quotas.devices, limits::account_devices_max);
    EXPECT_EQ(bounds.invitation_lifetime, 5h);
}

TEST_F(config_test, the_environment_speaks_and_flags_win)
{
    ::setenv("PORT", "4000", 1);
    ::setenv("CONSORTIUM_DATA_DIR", "/somewhere", 1);
    ::setenv("CONSORTIUM_PUBLIC_URL", "https://a.example,https://b.example", 1);
    EXPECT_EQ(parse({}).settings.port, 4000);
    EXPECT_EQ(parse({}).settings.data, "/somewhere");
    EXPECT_EQ(parse({}).settings.public_urls, (std::vector<std::string>{"https://a.example", "https://b.example"}));
    EXPECT_EQ(parse({"--port", "0"}).settings.port, 0);
    EXPECT_EQ(parse({"--public-url", "https://c.example"}).settings.public_urls.size(), 1u);
}

TEST_F(config_test, where_the_witness_lies_and_how_much_disk_stays_free)
{
    EXPECT_TRUE(parse({}).settings.witness.empty());
    EXPECT_EQ(parse({}).settings.compact_delay, limits::compact_delay);
    EXPECT_EQ(parse({"--compact-delay-ms", "10"}).settings.compact_delay, std::chrono::milliseconds(10));
    EXPECT_EQ(parse({}).settings.disk_free_floor_bytes, limits::disk_free_floor_bytes);
    const auto given = parse({"--witness", "/elsewhere/witness", "--disk-floor-mib", "200"}).settings;
    EXPECT_EQ(given.witness, "/elsewhere/witness");
    EXPECT_EQ(given.disk_free_floor_bytes, std::size_t{200} << 20);
}

TEST_F(config_test, what_strangers_may_have_can_be_set)
{
    EXPECT_TRUE(parse({}).settings.rate_limits);
    EXPECT_FALSE(parse({"--rate-limits", "off"}).settings.rate_limits);
    EXPECT_TRUE(parse({"--rate-limits", "on"}).settings.rate_limits);
    const auto given = parse({"--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8",
                              "--connections-per-address", "7", "--guest-mib", "2", "--header-timeout-ms", "300"})
                           .settings;
    EXPECT_EQ(given.trusted_proxies, (std::vector<std::string>{"127.0.0.1", "10.0.0.0/8"}));
    EXPECT_EQ(given.connections_per_address_max, 7u);
    EXPECT_EQ(given.guest_bytes_max, 2u << 20);
    EXPECT_EQ(given.header_timeout, 300ms);
}

TEST_F(config_test, rates_can_be_set)
{
    EXPECT_EQ(parse({}).settings.guest_rates.each.burst, 400);
    const auto given = parse({"--guest-rate", "0.5/3", "--guest-rate-total", "7/8", "--pairing-poll-rate", "2/1",
                              "--pairing-poll-rate-total", "9/10"})
                           .settings;
    EXPECT_EQ(given.guest_rates.each.per_second, 0.5);
    EXPECT_EQ(given.guest_rates.each.burst, 3);
    EXPECT_EQ(given.guest_rates.all.per_second, 7);
    EXPECT_EQ(given.poller_rates.each.burst, 1);
    EXPECT_EQ(given.poller_rates.all.burst, 10);
    for (const char* wrong : {"", "20", "20/", "/5", "0/5", "5/0", "-1/5", "5/0.5", "5/5x", "nan/5", "inf/5", "1e3/5"})
        EXPECT_NE(parse({"--guest-rate", wrong}).exit_code, 0) << wrong;
}

TEST_F(config_test, what_a_request_may_hold_can_be_set)
{
    const auto usual = parse({}).settings;
    EXPECT_EQ(usual.bodies.small, limits::small_body_bytes_max);
    EXPECT_EQ(usual.json.depth_max, protocol::json_depth_max);
    const auto given = parse({"--small-body-kib",
                              "2",
                              "--statements-body-kib",
                              "3",
                              "--fields-body-kib",
                              "4",
                              "--messages-body-kib",
                              "5",
                              "--frame-kib",
                              "6",
                              "--stranger-frame-kib",
                              "7",
                              "--json-values",
                              "8",
                              "--json-depth",
                              "9",
                              "--page-kib",
                              "10",
                              "--socket-output-kib",
                              "11",
                              "--body-span-ms",
                              "12",
                              "--guest-output-mib",
                              "13",
                              "--polling-strangers-per-address",
                              "14"})
                           .settings;
    EXPECT_EQ(given.bodies.small, 2u << 10);
    EXPECT_EQ(given.bodies.statements, 3u << 10);
    EXPECT_EQ(given.bodies.fields, 4u << 10);
    EXPECT_EQ(given.bodies.messages, 5u << 10);
    EXPECT_EQ(given.frame_bytes_max, 6u << 10);
    EXPECT_EQ(given.stranger_frame_bytes_max, 7u << 10);
    EXPECT_EQ(given.json.values_max, 8u);
    EXPECT_EQ(given.json.depth_max, 9u);
    EXPECT_EQ(given.page_bytes_max, 10u << 10);
    EXPECT_EQ(given.socket_queue_bytes_max, 11u << 10);
    EXPECT_EQ(given.body_span, 12ms);
    EXPECT_EQ(given.stranger_output_bytes_max, 13u << 20);
    EXPECT_EQ(given.polling_strangers_per_address_max, 14u);
    EXPECT_TRUE(parse({"--page-kib", "9000"}).exit_code) << "with a message no client takes it";
}

TEST_F(config_test, how_long_the_mirror_waits_can_be_set)
{
    const auto usual = parse({}).settings;
    EXPECT_EQ(usual.mirror_connect_timeout, limits::mirror_connect_timeout);
    EXPECT_EQ(usual.mirror_timeout, limits::mirror_timeout);
    EXPECT_EQ(usual.mirror_retry, limits::mirror_retry);
    ::setenv("CONSORTIUM_MIRROR_RETRY_MS", "4", 1);
    const auto given = parse({"--mirror-connect-timeout-ms", "2", "--mirror-timeout-ms", "3"}).settings;
    ::unsetenv("CONSORTIUM_MIRROR_RETRY_MS");
    EXPECT_EQ(given.mirror_connect_timeout, 2ms);
    EXPECT_EQ(given.mirror_timeout, 3ms);
    EXPECT_EQ(given.mirror_retry, 4ms);
    EXPECT_TRUE(parse({"--mirror-retry-ms", "0"}).exit_code);
}

// Goal: the password in it is no argument's, and an empty variable is none.
TEST_F(config_test, the_database_is_named_by_the_environment_alone)
{
    EXPECT_FALSE(parse({}).settings.database_url);
    ::setenv("DATABASE_URL", "", 1);
    EXPECT_FALSE(parse({}).settings.database_url);
    ::setenv("DATABASE_URL", "postgresql://u:p@h/d", 1);
    EXPECT_EQ(parse({}).settings.database_url, "postgresql://u:p@h/d");
    EXPECT_TRUE(parse({"--database-url", "postgresql://u:p@h/d"}).exit_code);
}

TEST_F(config_test, what_makes_no_sense_is_refused)
{
    for (const auto& bad : std::vector<std::vector<const char*>>{
             {"--port", "x"},
             {"--port", "70000"},
             {"--nothing"},
             {"--io-threads", "0"},
             {"--ping-interval-ms", "0"},
             {"--tls-cert", "only"},
             {"--disk-floor-mib", "0"},
             {"--disk-floor-mib", "-1"},
             {"--log-level", "loud"},
             {"--rate-limits", "maybe"},
             {"--connections", "0"},
             {"--guest-mib", "0"}})
    {
        const auto out = parse(bad);
        ASSERT_TRUE(out.exit_code) << bad[0];
        EXPECT_NE(*out.exit_code, 0);
        EXPECT_EQ(std::ranges::count(out.message, '\n'), 1) << out.message;
    }
}

TEST_F(config_test, help_names_every_variable)
{
    const auto out = parse({"--help"});
    EXPECT_EQ(out.exit_code, 0);
    for (const auto* word :
         {"PORT",
          "CONSORTIUM_DATA_DIR",
          "CONSORTIUM_MASTER_SECRET",
          "--session-timeout-ms",
          "--public-url",
          "CONSORTIUM_WITNESS",
          "CONSORTIUM_DISK_FLOOR_MIB",
          "CONSORTIUM_COMPACT_DELAY_MS",
          "CONSORTIUM_TRUSTED_PROXY",
          "CONSORTIUM_RATE_LIMITS",
          "CONSORTIUM_DASHBOARD_ORIGIN",
          "CONSORTIUM_CONNECTIONS",
          "CONSORTIUM_CONNECTIONS_PER_ADDRESS",
          "CONSORTIUM_STRANGERS",
          "CONSORTIUM_STRANGERS_PER_ADDRESS",
          "CONSORTIUM_HEADER_TIMEOUT_MS",
          "CONSORTIUM_BODY_RATE",
          "CONSORTIUM_GUEST_RATE",
          "CONSORTIUM_GUEST_RATE_TOTAL",
          "CONSORTIUM_PAIRING_POLL_RATE",
          "CONSORTIUM_PAIRING_POLL_RATE_TOTAL",
          "CONSORTIUM_GUEST_MIB",
          "CONSORTIUM_GUEST_MIB_PER_ADDRESS",
          "CONSORTIUM_ACCOUNT_MIB",
          "CONSORTIUM_POLLING_SESSIONS",
          "CONSORTIUM_POLLING_SESSIONS_PER_ADDRESS",
          "CONSORTIUM_PAIRINGS",
          "CONSORTIUM_PAIRINGS_PER_ADDRESS",
          "CONSORTIUM_BODY_SPAN_MS",
          "CONSORTIUM_SMALL_BODY_KIB",
          "CONSORTIUM_STATEMENTS_BODY_KIB",
          "CONSORTIUM_FIELDS_BODY_KIB",
          "CONSORTIUM_MESSAGES_BODY_KIB",
          "CONSORTIUM_FRAME_KIB",
          "CONSORTIUM_STRANGER_FRAME_KIB",
          "CONSORTIUM_JSON_VALUES",
          "CONSORTIUM_JSON_DEPTH",
          "CONSORTIUM_PAGE_KIB",
          "CONSORTIUM_SOCKET_OUTPUT_KIB",
          "CONSORTIUM_GUEST_OUTPUT_MIB",
          "CONSORTIUM_POLLING_STRANGERS_PER_ADDRESS",
          "CONSORTIUM_MIRROR_CONNECT_TIMEOUT_MS",
          "CONSORTIUM_MIRROR_TIMEOUT_MS",
          "CONSORTIUM_MIRROR_RETRY_MS",
          "DATABASE_URL"})
        EXPECT_NE(out.message.find(word), std::string::npos) << word;
}

TEST_F(config_test, a_secret_is_made_once_for_a_new_log_and_kept_beside_it)
{
    config settings;
    settings.data = place / "data";
    const auto made = find_secret(settings);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->generated, place / "data.secret");
    EXPECT_GE(made->value.size(), 32u);
    struct stat about{};
    ASSERT_EQ(::stat(made->generated.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);

    const auto again = find_secret(settings);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->generated.empty());
    EXPECT_EQ(again->value, made->value + "\n");
}

TEST_F(config_test, an_existing_log_needs_its_own_secret)
{
    config settings;
    settings.data = place / "data";
    std::filesystem::create_directory(settings.data);
    std::ofstream(settings.data / "root.key") << "x";
    const auto none = find_secret(settings);
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().detail.find("CONSORTIUM_MASTER_SECRET"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(place / "data.secret"));
}

TEST_F(config_test, a_given_secret_is_used_and_not_written_down)
{
    config settings;
    settings.data = place / "data";
    settings.master_secret = std::string(32, 'x');
    EXPECT_EQ(find_secret(settings)->value, *settings.master_secret);
    EXPECT_FALSE(std::filesystem::exists(place / "data.secret"));
    settings.master_secret = std::string(31, 'x');
    EXPECT_EQ(find_secret(settings).error(), errc::wrong_secret);
}

} // namespace
} // namespace consortium::relay
