#include "metrics/metrics.hpp"
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <vector>

namespace consortium::relay
{
namespace
{

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

double number(auto value)
{
    return static_cast<double>(value);
}

double seconds(metrics::span time)
{
    return std::chrono::duration<double>(time).count();
}

ClientMetric counted(std::uint64_t value, std::vector<ClientMetric::Label> labels = {})
{
    ClientMetric out;
    out.label = std::move(labels);
    out.counter.value = number(value);
    return out;
}

ClientMetric::Label label(const char* name, std::string_view word)
{
    return {name, std::string(word)};
}

/// The families in the order they are shown.
class page
{
public:
    MetricFamily& family(const char* name, const char* help, MetricType type)
    {
        families_.push_back({name, help, type, {}});
        return families_.back();
    }
    void counter(const char* name, const char* help, std::uint64_t value)
    {
        family(name, help, MetricType::Counter).metric.push_back(counted(value));
    }
    void gauge(const char* name, const char* help, double value)
    {
        ClientMetric one;
        one.gauge.value = value;
        family(name, help, MetricType::Gauge).metric.push_back(std::move(one));
    }
    void histogram(const char* name, const char* help, const prometheus::Histogram& times)
    {
        family(name, help, MetricType::Histogram).metric.push_back(times.Collect());
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

private:
    std::vector<MetricFamily> families_;
};

void write_mirror(page& out, const mirror_gauges& mirror)
{
    out.gauge("consortium_mirror_following", "1: the Postgres mirror follows the log.", mirror.following);
    out.gauge(
        "consortium_mirror_failing", "1: the mirror does not follow, and the relay's log says why.", mirror.failing);
    out.counter("consortium_mirror_failures_total", "How often the mirror ceased to follow.", mirror.failures);
    if (!mirror.position)
        return;
    out.gauge("consortium_mirror_position", "The last record that the mirror holds.", number(*mirror.position));
    out.gauge("consortium_mirror_lag_records", "Records that the mirror lacks.", number(mirror.lag_records));
    out.gauge(
        "consortium_mirror_lag_seconds", "How long ago the first record was written that the mirror lacks.",
        mirror.lag_seconds);
}

/// Under the names that Prometheus' own client libraries give them.
void write_process(page& out, const process_figures& process)
{
    auto& cpu = out.family("process_cpu_seconds_total", "User and system time.", MetricType::Counter);
    cpu.metric.emplace_back().counter.value = process.cpu_seconds;
    out.gauge("process_resident_memory_bytes", "Resident memory.", number(process.resident_bytes));
    out.gauge("process_open_fds", "Open descriptors.", number(process.open_descriptors));
    out.gauge("process_max_fds", "Descriptors that may be open.", number(process.descriptors_max));
    out.gauge("process_start_time_seconds", "When the relay was started, since 1970.", process.started_at);
}

} // namespace

struct metrics::histograms
{
    prometheus::Histogram append{prometheus::Histogram::BucketBoundaries{
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}};
    prometheus::Histogram fan_out{prometheus::Histogram::BucketBoundaries{
        0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2}};
};

metrics::metrics() : times_(std::make_unique<histograms>())
{
    static_assert(log::name(log::event_type{event_types_max}).empty());
}

metrics::~metrics() = default;

void metrics::count_event(log::event_type type, std::size_t body_bytes) noexcept
{
    if (const auto at = static_cast<std::size_t>(type); at < event_types_max)
        events_[at].fetch_add(1, std::memory_order_relaxed);
    event_bytes_.fetch_add(body_bytes, std::memory_order_relaxed);
}

void metrics::count_refusal(refused what, errc why) noexcept
{
    refusals_[static_cast<std::size_t>(what)][static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
}

void metrics::append_took(span time)
{
    times_->append.Observe(seconds(time));
}

void metrics::fan_out_took(span time)
{
    times_->fan_out.Observe(seconds(time));
}

void metrics::set_pressure(bool high) noexcept
{
    pressure_.store(high, std::memory_order_relaxed);
}

std::string metrics::text(const gauges& now) const
{
    page out;
    out.gauge("consortium_ready", "1: the relay takes what is written, as GET /ready says.", now.ready);
    out.gauge("consortium_connections", "Open connections.", number(now.connections));

    auto& events = out.family("consortium_events_total", "Events appended to the log.", MetricType::Counter);
    for (std::size_t at = 0; at < event_types_max; ++at)
        if (const auto name = log::name(log::event_type{static_cast<std::uint16_t>(at)}); !name.empty())
            events.metric.push_back(counted(events_[at].load(std::memory_order_relaxed), {label("type", name)}));
    out.counter(
        "consortium_event_body_bytes_total", "Bytes of bodies appended to the log.",
        event_bytes_.load(std::memory_order_relaxed));
    out.histogram(
        "consortium_append_seconds", "From the submission of a command to its events being on disk.", times_->append);
    out.histogram(
        "consortium_fan_out_seconds", "From events being on disk to a network thread's clients having been told.",
        times_->fan_out);

    out.gauge(
        "consortium_commands_waiting", "Commands that are not decided and stored yet.", number(now.commands_waiting));
    out.gauge(
        "consortium_fan_out_waiting_bytes", "Bodies of events that no network thread has taken up yet.",
        number(now.fan_out_bytes_waiting));
    out.gauge(
        "consortium_pressure", "1: the log's queue is above its mark, and sockets are not read.",
        pressure_.load(std::memory_order_relaxed));

    auto& refusals = out.family("consortium_refusals_total", "What was refused, and why.", MetricType::Counter);
    for (std::size_t what = 0; what < refused_count; ++what)
        for (std::size_t why = 1; why < reasons_max; ++why)
            refusals.metric.push_back(counted(
                refusals_[what][why].load(std::memory_order_relaxed),
                {label("of", word(static_cast<refused>(what))), label("reason", word(static_cast<errc>(why)))}));

    out.gauge("consortium_log_records", "Records in the log.", number(now.records));
    out.gauge("consortium_log_bytes", "Bytes of the files in the log's directory.", number(now.log_bytes));
    out.gauge("consortium_disk_free_bytes", "Bytes free on the log's disk.", number(now.disk_free_bytes));
    out.gauge(
        "consortium_disk_floor_bytes", "With less than this free, writes are refused.", number(now.disk_floor_bytes));
    out.counter("consortium_view_rebuilds_total", "View tables that were made anew.", now.view_rebuilds);
    if (now.mirror)
        write_mirror(out, *now.mirror);
    write_process(out, now.process);
    return out.text();
}

} // namespace consortium::relay
