#include "log/small_domain.hpp"
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>

/// What commands and folds see of rows while batches are built, written and cached, held against a map.
namespace consortium::log
{
namespace
{

using namespace testing;

using model = std::map<bytes, bytes>;

/// Few keys of few letters: they meet, and many begin with another.
bytes random_key(std::mt19937_64& random, std::size_t size_max)
{
    bytes out(std::uniform_int_distribution<std::size_t>(1, size_max)(random));
    for (auto& letter : out)
        letter = static_cast<std::uint8_t>("\x00\x01\xff"[random() % 3]);
    if (out[0] == 0xff)
        out[0] = 2; // a prefix needs an end
    return out;
}

/// Each message changes rows as its content says, here and in a map. Not pure, but all of it happens on the log's
/// deciding thread.
class scribbling_domain final : public domain
{
public:
    mutable model expected;

    std::span<const std::string_view> tables() const override
    {
        static constexpr std::array<std::string_view, 2> names{"revisions", "rows"};
        return names;
    }
    revision last_revision(const view_reader& rows, account_id account) const override
    {
        const auto row = rows.get(0, account.view());
        return {row ? number_in(*row) : 0};
    }
    void fold(const event& happened, view_writer& rows) const override
    {
        rows.put(0, happened.header.account.view(), to_bytes(big_endian(happened.header.rev.value)));
        if (const auto* said = happened.as<message_appended>())
            scribble(rows, std::stoull(said->content));
    }

private:
    void scribble(view_writer& rows, std::uint64_t seed) const
    {
        std::mt19937_64 random(seed);
        for (auto left = random() % 6; left > 0; --left)
            switch (random() % 6)
            {
            case 0:
            {
                const auto prefix = random_key(random, 2);
                rows.erase_prefix(1, prefix);
                std::erase_if(expected, [&](const auto& row) { return text(row.first).starts_with(text(prefix)); });
                break;
            }
            case 1:
            {
                const auto key = random_key(random, 4);
                rows.erase(1, key);
                expected.erase(key);
                break;
            }
            default:
            {
                const auto key = random_key(random, 4);
                const auto value = to_bytes(big_endian(random()));
                rows.put(1, key, value);
                expected[key] = value;
            }
            }
    }
};

std::vector<std::pair<bytes, bytes>> all_rows(const view_reader& rows, byte_view prefix, bool down)
{
    std::vector<std::pair<bytes, bytes>> out;
    const auto collect = [&](byte_view key, byte_view value)
    {
        out.emplace_back(to_bytes(key), to_bytes(value));
        return true;
    };
    if (down)
        rows.scan_down(1, prefix, {}, collect);
    else
        rows.scan(1, prefix, {}, collect);
    return out;
}

} // namespace

// Goal: whoever reads rows sees every change before it and none that was erased, wherever the rows are: in the batch
// that is built, in the one in flight, in the cache or in the store. Method: random changes in commands that are not
// waited for; each, when it is decided, compares some rows and some scans with the map. (SEED repeats one.)
TEST(erase_prefix, rows_are_what_a_map_would_hold_at_every_moment)
{
    const auto* given = std::getenv("SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);

    const temporary_directory place;
    const auto options = options_for(place.path() / "data");
    const scribbling_domain rules;
    const manual_clock clock{1'700'000'000'000};
    const account_id account = account_of(1);
    const session_id session = session_of(1);
    std::uint64_t seq = 0;
    std::size_t batches = 0;
    for (int life = 0; life < 3; ++life)
    {
        test_sink sink;
        auto log = open_log(options, rules, sink, clock).value();
        {
            const auto at = log->read();
            const auto rows = all_rows(*at, {}, false);
            ASSERT_EQ(model(rows.begin(), rows.end()), rules.expected);
        }
        std::vector<std::future<result<test_command::events>>> waiting;
        const auto submit = [&](std::shared_ptr<test_command> wanted)
        {
            waiting.push_back(wanted->outcome());
            ASSERT_TRUE(log->submit(wanted).has_value());
        };
        if (life == 0)
        {
            submit(create_account(account));
            submit(create_session(account, session));
        }
        for (int i = 0; i < 500; ++i)
        {
            const auto look = random();
            const auto change = std::to_string(random());
            submit(std::make_shared<test_command>(
                account, 64,
                [&rules, &seq, account, session, look, change](const view_reader& rows, unix_millis) -> result<decision>
                {
                    std::mt19937_64 choice(look);
                    for (int key = 0; key < 4; ++key)
                    {
                        const auto wanted = random_key(choice, 4);
                        const auto row = rows.get(1, wanted);
                        const auto found = rules.expected.find(wanted);
                        EXPECT_EQ(row.has_value(), found != rules.expected.end());
                        if (row && found != rules.expected.end())
                            EXPECT_EQ(*row, found->second);
                    }
                    const auto prefix = random_key(choice, 2);
                    const bool down = choice() % 2 == 0;
                    std::vector<std::pair<bytes, bytes>> wanted;
                    for (const auto& row : rules.expected)
                        if (text(row.first).starts_with(text(prefix)))
                            wanted.push_back(row);
                    if (down)
                        std::ranges::reverse(wanted);
                    EXPECT_EQ(all_rows(rows, prefix, down), wanted);
                    return decision{
                        .account = account,
                        .drafts = {draft{
                            .type = event_type::message_appended,
                            .stream = session.as<stream_id>(),
                            .seq = ++seq,
                            .key = session.as<key_id>(),
                            .creates_key = false,
                            .destroys = {},
                            .body = message_appended{.id = {}, .local_id = {}, .content = change}}}};
                }));
            // Small batches and large ones.
            if (random() % 8 == 0)
                waiting.back().wait();
        }
        for (auto& one : waiting)
            ASSERT_TRUE(one.get().has_value());
        log.reset();
        batches += sink.batch_sizes().size();
    }
    EXPECT_GT(batches, 20u);
}

} // namespace consortium::log
