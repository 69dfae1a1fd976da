#include "identity/device_book.hpp"
#include "base/json_access.hpp"
#include "consortium/common/base64.hpp"
#include "identity/statement_list.hpp"
#include <algorithm>
#include <array>

namespace consortium::agent
{
namespace json = boost::json;
namespace
{

struct finding
{
    device_finding what;
    std::string_view word;
    std::string_view sentence;
};

constexpr std::array findings{
    finding{
        device_finding::lacking, "lacking",
        "The relay does not show devices or revocations of your account that this machine saw before."},
    finding{
        device_finding::invalid, "invalid",
        "The relay shows a list of your account's devices that the account did not sign."}};

const finding& finding_of(device_finding what)
{
    return *std::ranges::find(findings, what, &finding::what);
}

std::string counted(std::size_t count)
{
    return std::to_string(count) + (count == 1 ? " statement" : " statements");
}

} // namespace

std::string_view word(device_finding what) noexcept
{
    return finding_of(what).word;
}

std::string_view sentence(device_finding what) noexcept
{
    return finding_of(what).sentence;
}

std::string device_file(const account_id& account)
{
    return "devices-" + to_string(account) + ".json";
}

device_book::device_book(
    const keystore& store, relay_client& relay, const account_id& account, const ed25519_public& account_key,
    const ed25519_public& own, const clock_source& clock)
    : store_(store), relay_(relay), clock_(clock), own_(own), set_(account, account_key)
{
}

result<std::unique_ptr<device_book>> device_book::open(
    const keystore& store, relay_client& relay, const account_id& account, const ed25519_public& account_key,
    const ed25519_public& own, const clock_source& clock)
{
    std::unique_ptr<device_book> out(new device_book(store, relay, account, account_key, own, clock));
    const auto kept = store.load_object(device_file(account));
    if (!kept)
        return std::unexpected(kept.error());
    if (*kept)
    {
        if (const auto read = out->read(**kept); !read)
            return std::unexpected(read.error());
    }
    return out;
}

result<void> device_book::read(const json::object& from)
{
    const auto damaged = [&]
    {
        return fail(
            errc::corrupt, (store_.directory() / device_file(set_.account())).string() +
                               " is damaged. Remove it to begin anew with the devices that the relay shows next.");
    };
    const auto statements = read_statements(unchecked(from));
    if (!statements || !set_.learn(*statements))
        return damaged();
    std::vector<device_alarm> alarms;
    for (const auto& each : unchecked(from).objects("alarms"))
    {
        const auto found = std::ranges::find(findings, each.text("what"), &finding::word);
        if (found == findings.end())
            return damaged();
        alarms.push_back(
            {found->what, each.text("detail"), each.number("first"), each.number("last"),
             static_cast<std::uint64_t>(each.number("times"))});
    }
    alarms_ = std::move(alarms);
    return {};
}

json::object device_book::write() const
{
    json::array alarms;
    for (const auto& each : alarms_)
        alarms.push_back(json::object{
            {"what", word(each.what)},
            {"detail", each.detail},
            {"first", each.first},
            {"last", each.last},
            {"times", each.times}});
    return {{"statements", write_statements(set_.statements())}, {"alarms", std::move(alarms)}};
}

/// `change` acts on what every agent of this machine has learned so far, and is on disk when this returns. Statements
/// that could not be written down are known all the same: they prove themselves, and the next update writes them.
result<void> device_book::update(const std::function<result<void>()>& change)
{
    return store_.change_object(
        device_file(set_.account()),
        [&](json::object& value) -> result<void>
        {
            alarms_.clear();
            if (!value.empty())
            {
                if (auto known = read(value); !known)
                    return known;
            }
            if (auto changed = change(); !changed)
                return changed;
            for (auto& [name, each] : write())
                value[name] = each;
            return {};
        });
}

result<bool> device_book::keep(std::span<const bytes> statements)
{
    bool fresh = false;
    const auto kept = update(
        [&]() -> result<void>
        {
            const auto learned = set_.learn(statements);
            if (!learned)
                return std::unexpected(learned.error());
            fresh = *learned;
            return {};
        });
    if (!kept)
        return std::unexpected(kept.error());
    tell_of_revocation();
    return fresh;
}

void device_book::tell_of_revocation()
{
    if (own() == device_standing::revoked && !std::exchange(revocation_told_, true) && on_revoked)
        on_revoked();
}

std::optional<device_directory::known> device_book::find(const ed25519_public& device) const
{
    const auto kind = set_.kind_of(device);
    if (!kind)
        return std::nullopt;
    known out{*kind, set_.standing_of(device) == device_standing::revoked, {}};
    if (content_)
    {
        if (const auto name = e2ee::box_bundle_open(*content_, set_.addition_of(device)->sealed_name))
            out.name = text(*name);
    }
    return out;
}

result<bool> device_book::learn(const std::vector<bytes>& statements)
{
    return keep(statements);
}

asio::awaitable<relay_answer<device_book::shown>> device_book::ask()
{
    const auto answer = co_await relay_.get("/v1/devices", "statements");
    if (!answer)
        co_return std::unexpected(answer.error());
    const auto list = read_statements(*answer);
    if (!list)
        co_return std::unexpected(relay_failure::stranger(relay_.server_url(), "a list of devices of another form"));
    shown out{device_chain(set_.account(), set_.account_key()), std::nullopt};
    if (auto whole = out.chain.append(*list); !whole)
        out.ended_by = std::move(whole.error());
    co_return out;
}

asio::awaitable<result<void>> device_book::read_chain()
{
    auto given = co_await ask();
    if (!given)
        co_return std::unexpected(given.error());
    if (const auto kept = keep(given->chain.statements()); !kept)
        co_return std::unexpected(kept.error());
    if (given->ended_by)
    {
        if (const auto raised = raise(device_finding::invalid, given->ended_by->detail); !raised)
            co_return raised;
    }
    const auto lost = set_.lacking(given->chain).size();
    if (lost == 0)
        co_return result<void>();
    const auto given_back = co_await give_back(given->chain);
    if (!given_back)
        co_return std::unexpected(given_back.error());
    if (*given_back)
    {
        const auto again = co_await ask();
        if (!again)
            co_return std::unexpected(again.error());
        if (const auto kept = keep(again->chain.statements()); !kept)
            co_return std::unexpected(kept.error());
        if (set_.lacking(again->chain).empty())
        {
            if (on_news)
                on_news(
                    "The relay had lost " + counted(lost) +
                    " about your account's devices: probably it was restored from a backup. This machine has given "
                    "them back.");
            co_return result<void>();
        }
    }
    co_return raise(device_finding::lacking, counted(set_.lacking(given->chain).size()) + " missing");
}

/// False when the chain is no beginning of a branch that is kept, or the relay does not take what follows.
asio::awaitable<relay_answer<bool>> device_book::give_back(const device_chain& chain)
{
    const auto rest = set_.continuation(chain);
    if (rest.empty())
        co_return false;
    const auto posted =
        co_await relay_.post("/v1/devices/statements", {{"statements", write_statements(rest)}}, "success");
    if (!posted && worth_retrying(posted.error()))
        co_return std::unexpected(posted.error());
    co_return posted.has_value();
}

result<void> device_book::raise(device_finding what, std::string detail)
{
    const auto now = clock_.now();
    bool fresh = false;
    const auto kept = update(
        [&]() -> result<void>
        {
            const auto known = std::ranges::find(alarms_, what, &device_alarm::what);
            fresh = known == alarms_.end();
            if (fresh)
                alarms_.push_back({what, detail, now, now, 1});
            else
            {
                known->detail = detail;
                known->last = now;
                ++known->times;
            }
            return {};
        });
    if (!kept)
        fresh = unkept_.insert(what).second; // a full disk must not keep it from being heard
    if (fresh && on_alarm)
        on_alarm({what, detail, now, now, 1});
    return kept;
}

result<std::size_t> device_book::acknowledge()
{
    std::size_t count = 0;
    const auto kept = update(
        [&]() -> result<void>
        {
            count = alarms_.size();
            alarms_.clear();
            return {};
        });
    if (!kept)
        return std::unexpected(kept.error());
    return count;
}

} // namespace consortium::agent
