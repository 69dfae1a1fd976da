#include "projections/memory_log.hpp"
#include <chrono>
#include <cstdio>
#include <cstdlib>

/// What deciding and folding one message costs, with rows in memory: the share of the sequencer's time that is ours.
/// Usage: bench_fold [messages]
using namespace consortium;
using namespace consortium::projections;
using namespace consortium::projections::testing;

namespace
{

/// Rows in one hash table for each view, and a count of what is asked of the store.
class counting_views final : public log::view_writer
{
public:
    mutable std::size_t gets = 0;
    mutable std::size_t prfs = 0;
    std::size_t puts = 0;
    std::size_t bytes_put = 0;

    counting_views() : tables_(rules().tables().size()) {}
    std::optional<bytes> get(log::table_id table, byte_view key) const override
    {
        ++gets;
        const auto found = tables_[table].find(std::string(text(key)));
        return found == tables_[table].end() ? std::nullopt : std::optional(found->second);
    }
    void scan(log::table_id, byte_view, byte_view, const visitor&) const override { std::abort(); }
    void scan_down(log::table_id, byte_view, byte_view, const visitor&) const override { std::abort(); }
    byte_array<16> prf(byte_parts parts) const override
    {
        ++prfs;
        return to_array<16>(hmac_sha256(key_, parts));
    }
    void put(log::table_id table, byte_view key, bytes value) override
    {
        ++puts;
        bytes_put += key.size() + value.size();
        tables_[table].insert_or_assign(std::string(text(key)), std::move(value));
    }
    void erase(log::table_id table, byte_view key) override { tables_[table].erase(std::string(text(key))); }
    void erase_prefix(log::table_id, byte_view) override { std::abort(); }

private:
    bytes key_ = bytes(32, 7);
    std::vector<std::unordered_map<std::string, bytes>> tables_;
};

void apply(log::command& wanted, counting_views& views, std::uint64_t& head)
{
    auto decided = wanted.decide(views, 1'700'000'000'000);
    if (!decided)
        std::abort();
    for (auto& draft : decided->drafts)
    {
        log::event happened;
        happened.number = {++head};
        happened.header.type = draft.type;
        happened.header.account = decided->account;
        happened.header.stream = draft.stream;
        happened.header.rev = rules().last_revision(views, decided->account).next();
        happened.header.seq = draft.seq;
        happened.header.time = 1'700'000'000'000;
        happened.body = std::move(draft.body);
        rules().fold(happened, views);
    }
}

} // namespace

int main(int argc, char** argv)
{
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 200'000;
    counting_views views;
    std::uint64_t head = 0;

    auto owner = stated_account(1).sign_in(2, device_kind::agent);
    apply(owner, views, head);
    auto created = session_wish({owner.found_account, owner.found_device, owner.found_kind}, "tag");
    apply(created, views, head);

    std::printf("%-22s %10s %8s %8s %8s %10s\n", "", "ns/message", "gets", "puts", "prfs", "bytes put");
    for (const bool with_local_id : {false, true})
    {
        std::vector<append_messages> wishes(count);
        for (std::size_t i = 0; i < count; ++i)
        {
            wishes[i].who = created.who;
            wishes[i].session = created.session;
            wishes[i].items.push_back(
                {std::string(1024, 'x'), with_local_id ? std::optional("local-" + std::to_string(i)) : std::nullopt,
                 message_id{}});
        }
        views.gets = views.puts = views.prfs = views.bytes_put = 0;
        const auto start = std::chrono::steady_clock::now();
        for (auto& wish : wishes)
            apply(wish, views, head);
        const auto took = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
        const auto per = [&](std::size_t total) { return static_cast<double>(total) / static_cast<double>(count); };
        std::printf(
            "%-22s %10.0f %8.1f %8.1f %8.1f %10.1f\n", with_local_id ? "with localId" : "without localId",
            took / static_cast<double>(count), per(views.gets), per(views.puts), per(views.prfs), per(views.bytes_put));
    }
}
