#include "listen_address.hpp"
#include "metrics/metrics.hpp"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>
#include <sstream>
#include <unistd.h>

namespace consortium::relay
{
namespace
{

using namespace std::chrono_literals;

/// The lines without comments, up to the value.
std::set<std::string> series_of(const std::string& text)
{
    std::set<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (!line.starts_with('#'))
            out.insert(line.substr(0, line.rfind(' ')));
    return out;
}

double value_of(const std::string& text, const std::string& series)
{
    const auto at = ("\n" + text).find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 1));
}

// Goal: what was counted stands there under its own name, and nothing else moved.
TEST(metrics_test, shows_what_was_counted)
{
    metrics counts;
    counts.count_event(log::event_type::message_appended, 100);
    counts.count_event(log::event_type::message_appended, 20);
    counts.count_event(log::event_type::session_created, 3);
    counts.count_refusal(refused::commands, errc::quota);
    counts.append_took(3ms);
    counts.append_took(30s);
    counts.fan_out_took(150us);
    counts.set_pressure(true);
    const auto text = counts.text({.connections = 7, .records = 12, .view_rebuilds = 2});
    EXPECT_EQ(value_of(text, "consortium_events_total{type=\"message_appended\"}"), 2);
    EXPECT_EQ(value_of(text, "consortium_events_total{type=\"session_created\"}"), 1);
    EXPECT_EQ(value_of(text, "consortium_events_total{type=\"session_deleted\"}"), 0);
    EXPECT_EQ(value_of(text, "consortium_event_body_bytes_total"), 123);
    EXPECT_EQ(value_of(text, "consortium_refusals_total{of=\"commands\",reason=\"quota\"}"), 1);
    EXPECT_EQ(value_of(text, "consortium_refusals_total{of=\"requests\",reason=\"quota\"}"), 0);
    EXPECT_EQ(value_of(text, "consortium_append_seconds_bucket{le=\"0.005\"}"), 1);
    EXPECT_EQ(value_of(text, "consortium_append_seconds_count"), 2);
    EXPECT_EQ(value_of(text, "consortium_fan_out_seconds_count"), 1);
    EXPECT_EQ(value_of(text, "consortium_pressure"), 1);
    EXPECT_EQ(value_of(text, "consortium_connections"), 7);
    EXPECT_EQ(value_of(text, "consortium_log_records"), 12);
    EXPECT_EQ(value_of(text, "consortium_view_rebuilds_total"), 2);
}

// Goal: whatever happens, the series are those of the start: nothing that happens becomes a label.
// Method: every event type, known or not, and every refusal; the series before and after, and each label's value is the
// name of an enumerator or a bucket's bound.
TEST(metrics_test, has_no_more_series_than_at_the_start)
{
    metrics counts;
    const auto before = series_of(counts.text({}));
    for (std::uint16_t type = 0; type < 1000; ++type)
        counts.count_event(log::event_type{type}, 1);
    for (std::size_t of = 0; of < refused_count; ++of)
        for (int why = 1; why <= static_cast<int>(errc::internal); ++why)
            counts.count_refusal(static_cast<refused>(of), static_cast<errc>(why));
    const auto text = counts.text({});
    EXPECT_EQ(series_of(text), before);
    for (const auto& one : before)
        if (one.starts_with("consortium_events_total") || one.starts_with("consortium_refusals_total"))
            EXPECT_EQ(value_of(text, one), 1) << one;

    std::set<std::string> names;
    for (std::uint16_t type = 0; type < 1000; ++type)
        names.insert(std::string(log::name(log::event_type{type})));
    for (std::size_t of = 0; of < refused_count; ++of)
        names.insert(std::string(word(static_cast<refused>(of))));
    for (int why = 1; why <= static_cast<int>(errc::internal); ++why)
        names.insert(std::string(word(static_cast<errc>(why))));
    for (const auto& one : before)
        for (auto at = one.find("=\""); at != std::string::npos; at = one.find("=\"", at + 2))
        {
            const auto value = one.substr(at + 2, one.find('"', at + 2) - at - 2);
            const bool is_bound = one.substr(0, at).ends_with("le");
            EXPECT_TRUE(is_bound || names.contains(value)) << one;
        }
}

// Goal: what is not known of the mirror is not said, and without a mirror nothing is.
TEST(metrics_test, says_of_the_mirror_what_is_known)
{
    const metrics counts;
    EXPECT_EQ(counts.text({}).find("mirror"), std::string::npos);
    gauges now;
    now.mirror = {.failing = true, .failures = 3};
    const auto unknown = counts.text(now);
    EXPECT_EQ(value_of(unknown, "consortium_mirror_failing"), 1);
    EXPECT_EQ(value_of(unknown, "consortium_mirror_failures_total"), 3);
    EXPECT_EQ(unknown.find("lag"), std::string::npos);
    now.mirror = {.following = true, .lag_records = 5, .lag_seconds = 1.5, .position = 40};
    const auto known = counts.text(now);
    EXPECT_EQ(value_of(known, "consortium_mirror_following"), 1);
    EXPECT_EQ(value_of(known, "consortium_mirror_position"), 40);
    EXPECT_EQ(value_of(known, "consortium_mirror_lag_records"), 5);
    EXPECT_EQ(value_of(known, "consortium_mirror_lag_seconds"), 1.5);
}

TEST(metrics_test, counts_the_bytes_of_all_files_below)
{
    std::string pattern = (std::filesystem::temp_directory_path() / "metrics-XXXXXX").string();
    const std::filesystem::path place = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(place / "a" / "b");
    std::ofstream(place / "one") << std::string(1000, 'x');
    std::ofstream(place / "a" / "b" / "two") << std::string(234, 'x');
    EXPECT_EQ(bytes_of_files(place), 1234u);
    std::filesystem::remove_all(place);
    EXPECT_EQ(bytes_of_files(place), 0u);
}

TEST(metrics_test, reads_what_the_system_says_of_this_process)
{
    const auto before = read_process_figures();
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    EXPECT_GT(before.resident_bytes, 1u << 20);
    EXPECT_GT(before.descriptors_max, before.open_descriptors);
    EXPECT_GT(before.started_at, now.count() - 3600);
    EXPECT_LE(before.started_at, now.count() + 1);
    const int fd = ::dup(STDERR_FILENO);
    while (read_process_figures().cpu_seconds <= before.cpu_seconds)
        ;
    EXPECT_EQ(read_process_figures().open_descriptors, before.open_descriptors + 1);
    ::close(fd);
}

TEST(listen_address_test, takes_numeric_addresses_with_a_port)
{
    const auto four = listen_address::parse("127.0.0.1:9464");
    ASSERT_TRUE(four);
    EXPECT_EQ(four->host, "127.0.0.1");
    EXPECT_EQ(four->port, 9464);
    const auto six = listen_address::parse("[::1]:0");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->port, 0);
    for (const auto* wrong :
         {"", ":", ":9464", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
          "::1:9464", "[127.0.0.1]:1", "localhost:9464", "[::1]", "[]:1", "127.0.0.1 :1"})
        EXPECT_FALSE(listen_address::parse(wrong)) << wrong;
}

RC_GTEST_PROP(listen_address_test, any_text_is_taken_or_refused, (const std::string& text))
{
    if (const auto read = listen_address::parse(text))
        RC_ASSERT(!read->host.empty());
    else
        RC_ASSERT(read.error() == errc::bad_request);
}

} // namespace
} // namespace consortium::relay
