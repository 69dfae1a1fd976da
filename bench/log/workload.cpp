#include "workload.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/secret.hpp"
#include "consortium/projections/views.hpp"
#include <future>
#include <map>
#include <span>
#include <thread>

namespace consortium::bench
{
namespace
{

/// A UUID as a client would send, without the cost of making a random one.
std::string local_id_of(std::uint64_t tenant, std::uint64_t number)
{
    std::string out(36, '\0');
    std::snprintf(
        out.data(), out.size() + 1, "%08x-%04x-4000-8000-%012llx", static_cast<unsigned>(tenant),
        static_cast<unsigned>(number >> 48), static_cast<unsigned long long>(number & 0xffff'ffff'ffff));
    return out;
}

} // namespace

log::log_options options_for(const std::filesystem::path& directory)
{
    log::log_options out;
    out.directory = directory;
    out.master_secret = "the master secret of a benchmark, long enough";
    return out;
}

/// Whoever waits for acknowledgements.
struct workload::producer
{
    explicit producer(std::size_t window) : room(window) {}

    void acquire()
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return room > 0; });
        --room;
    }
    void release(std::span<const double> ms)
    {
        const std::lock_guard lock(mutex);
        room += ms.size();
        ack_ms.insert(ack_ms.end(), ms.begin(), ms.end());
        // Under the lock: who waits for the last one destroys this object.
        changed.notify_one();
    }
    void drain(std::size_t window)
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return room == window; });
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::size_t room;
    std::vector<double> ack_ms;
};

class workload::timed_message final : public log::command
{
public:
    account_id account() const override { return inner.account(); }
    std::size_t size() const override { return inner.size(); }
    result<log::decision> decide(const log::view_reader& rows, unix_millis now) override
    {
        return inner.decide(rows, now);
    }

    projections::append_messages inner;
    steady::time_point submitted;
    producer* back = nullptr;
};

class workload::sink final : public log::commit_sink
{
public:
    void on_commit(std::span<const log::outcome> batch) override
    {
        ++batches;
        const auto now = steady::now();
        std::map<producer*, std::vector<double>> acknowledged;
        for (const auto& out : batch)
        {
            auto* message = dynamic_cast<timed_message*>(out.wanted.get());
            if (message == nullptr)
            {
                other.set_value(out.committed.has_value());
                continue;
            }
            if (!out.committed)
            {
                std::fprintf(stderr, "a message was refused: %s\n", out.committed.error().detail.c_str());
                std::abort();
            }
            acknowledged[message->back].push_back(
                std::chrono::duration<double, std::milli>(now - message->submitted).count());
        }
        for (const auto& [back, ms] : acknowledged)
            back->release(ms);
    }
    void on_pressure(bool) override {}
    void on_failure(const error& why) override
    {
        std::fprintf(stderr, "the log failed: %s\n", why.detail.c_str());
        std::abort();
    }

    std::atomic<std::uint64_t> batches = 0;
    std::promise<bool> other; ///< for the one command at a time that is no message
};

workload::workload(
    const std::filesystem::path& directory, std::size_t tenants, std::size_t payload_bytes,
    std::size_t batch_records_max)
    : sink_(std::make_unique<sink>()), clock_(std::make_unique<system_clock_source>())
{
    bytes plain(payload_bytes);
    fill_random(plain);
    content_ = base64_encode(plain);
    auto options = options_for(directory);
    options.batch_records_max = batch_records_max;
    log_ = need(log::open_log(options, projections::rules(), *sink_, *clock_), "cannot open the log");

    const auto run = [&](const std::shared_ptr<log::command>& wanted)
    {
        sink_->other = {};
        auto done = sink_->other.get_future();
        need(log_->submit(wanted), "a command was refused");
        if (!done.get())
            throw std::runtime_error("a command failed");
    };
    for (std::size_t i = 0; i < tenants; ++i)
    {
        auto owner = std::make_shared<projections::sign_in>();
        fill_random(owner->account_key);
        owner->new_account = {make_uuid_v4()};
        owner->new_device = {make_uuid_v4()};
        run(owner);
        auto session = std::make_shared<projections::create_session>();
        session->who = {owner->found_account, owner->found_device, owner->found_kind};
        session->new_session = {make_uuid_v4()};
        session->tag = "bench";
        run(session);
        tenants_.push_back({.who = session->who, .session = session->session});
    }
}

workload::~workload()
{
    log_->close();
}

std::shared_ptr<workload::timed_message> workload::make(tenant& by, producer& back) const
{
    auto out = std::make_shared<timed_message>();
    out->inner.who = by.who;
    out->inner.session = by.session;
    message_id id;
    const auto number = big_endian(++by.sent);
    std::memcpy(id.value.data(), by.session.value.data(), 8);
    std::memcpy(id.value.data() + 8, number.data(), 8);
    out->inner.items.push_back(
        {.content = content_,
         .local_id = local_id_of(load_big_endian<std::uint64_t>(by.session.view()) & 0xffffffff, by.sent),
         .new_id = id});
    out->back = &back;
    return out;
}

written workload::send(pace how, const std::function<bool(std::uint64_t submitted)>& enough)
{
    const auto window = std::max<std::size_t>(1, how.outstanding / how.producers);
    std::vector<std::unique_ptr<producer>> producers;
    for (std::size_t i = 0; i < how.producers; ++i)
        producers.push_back(std::make_unique<producer>(window));
    const auto batches_before = sink_->batches.load();
    std::atomic<std::uint64_t> submitted = 0;
    written out;
    out.took = measure(
        [&]
        {
            std::vector<std::thread> threads;
            for (std::size_t i = 0; i < how.producers; ++i)
                threads.emplace_back(
                    [&, i]
                    {
                        auto& mine = *producers[i];
                        while (!enough(submitted.fetch_add(1, std::memory_order_relaxed)))
                        {
                            mine.acquire();
                            auto wanted = make(tenants_.at(i), mine);
                            wanted->submitted = steady::now();
                            while (!log_->submit(wanted))
                                std::this_thread::yield();
                        }
                        mine.drain(window);
                    });
            for (auto& thread : threads)
                thread.join();
        });
    out.batches = static_cast<double>(sink_->batches.load() - batches_before);
    for (const auto& one : producers)
    {
        out.records += static_cast<double>(one->ack_ms.size());
        out.ack_ms.insert(out.ack_ms.end(), one->ack_ms.begin(), one->ack_ms.end());
    }
    return out;
}

written workload::send_for(pace how, double seconds)
{
    const auto end =
        steady::now() + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
    return send(how, [end](std::uint64_t) { return steady::now() >= end; });
}

void workload::send_records(std::uint64_t count)
{
    send(
        {.producers = tenants_.size(), .outstanding = 1024},
        [count](std::uint64_t submitted) { return submitted >= count; });
}

double workload::send_one(tenant& by)
{
    producer back(1);
    back.acquire();
    auto wanted = make(by, back);
    wanted->submitted = steady::now();
    while (!log_->submit(wanted))
        std::this_thread::yield();
    back.drain(1);
    return back.ack_ms.front();
}

std::uint64_t workload::batches() const
{
    return sink_->batches;
}

std::filesystem::path filled_log(const settings& wanted)
{
    std::filesystem::remove_all(wanted.place);
    if (!wanted.kept.empty())
        return wanted.kept;
    fill(wanted.place / "log", wanted.records, wanted.payload_bytes);
    return wanted.place / "log";
}

void fill(const std::filesystem::path& directory, std::uint64_t records, std::size_t payload_bytes)
{
    const auto took = measure(
        [&]
        {
            workload filling(directory, 4, payload_bytes);
            filling.send_records(records);
        });
    std::printf(
        "Filled with %s messages of %zu bytes in %.0f s.\n\n", grouped(static_cast<double>(records)).c_str(),
        payload_bytes, took.wall_s);
    std::fflush(stdout);
}

} // namespace consortium::bench
