#include "families.hpp"
#include "runs.hpp"
#include <algorithm>

/// The account's stream: which lsn has which revision, and what is read along it.
namespace consortium::projections
{

void put_revision(log::view_writer& rows, const byte_array<16>& account, revision rev, lsn number)
{
    append_to_runs<revision_run>(rows, account, rev.value, number);
}

std::optional<lsn> lsn_of(const log::view_reader& rows, const byte_array<16>& account, revision wanted)
{
    return find_in_runs<revision_run>(rows, account, wanted.value);
}

revision revision_of(const log::view_reader& rows, const byte_array<16>& account, lsn number)
{
    const auto head = get_row<totals_row>(rows, row_key(account));
    // Both ascend together.
    revision low{1};
    revision high = head ? head->last : revision{};
    while (low <= high)
    {
        const revision middle{low.value + (high.value - low.value) / 2};
        const auto found = lsn_of(rows, account, middle);
        if (!found)
            break;
        if (*found == number)
            return middle;
        if (*found < number)
            low = middle.next();
        else
            high = revision{middle.value - 1};
    }
    corrupt_row(table::revision_run, "is missing: no revision is lsn " + std::to_string(number.value));
}

result<stream_totals> count_streams(const log::snapshot& at)
{
    return guarded(
        [&]() -> result<stream_totals>
        {
            stream_totals out;
            const auto own = account_row_key(at, {});
            scan_rows<totals_row>(
                at, {},
                [&](byte_view key, const totals_row& totals)
                {
                    out.accounts += text(key) != text(own) ? 1 : 0;
                    out.revisions += totals.last.value;
                    return true;
                });
            return out;
        });
}

result<revision> last_revision(const log::snapshot& at, account_id account)
{
    return guarded([&]() -> result<revision> { return rules().last_revision(at, account); });
}

result<std::vector<log::event>>
changes(const log::snapshot& at, account_id account, revision since, std::size_t count_max, std::size_t bytes_max)
{
    return guarded(
        [&]() -> result<std::vector<log::event>>
        {
            std::vector<lsn> numbers;
            if (since.value != UINT64_MAX)
                numbers = runs_up<revision_run>(at, account_part(at, account), since.next().value, count_max);
            std::vector<log::event> events;
            events.reserve(numbers.size());
            std::size_t size = 0;
            for (const auto number : numbers)
            {
                auto found = at.read(number);
                if (!found)
                    return std::unexpected(found.error());
                size += found->header.body_bytes;
                events.push_back(std::move(*found));
                if (size >= bytes_max)
                    break;
            }
            return events;
        });
}

result<lsn> find_revision(const log::snapshot& at, account_id account, revision wanted)
{
    return guarded(
        [&]() -> result<lsn>
        {
            const auto found = lsn_of(at, account_part(at, account), wanted);
            if (!found)
                return fail(errc::not_found, "the account has no revision " + std::to_string(wanted.value));
            return *found;
        });
}

result<lsn> find_revision(const log::snapshot& at, const principal& who, revision wanted)
{
    return guarded(
        [&]() -> result<lsn>
        {
            const auto found = find_revision(at, who.account, wanted);
            if (!found || reach(at, who, account_target::stream, intent::see))
                return found;
            const auto happened = at.read(*found);
            if (!happened)
                return std::unexpected(happened.error());
            if (auto reached = reach(at, who, stream_target{happened->header.stream}, intent::see); !reached)
                return std::unexpected(reached.error());
            return found;
        });
}

result<std::optional<std::string>> value_at(const log::snapshot& at, lsn where, field which)
{
    return guarded(
        [&]() -> result<std::optional<std::string>>
        {
            if (where.value == 0)
                return std::nullopt;
            const auto found = read_event(at, where);
            if (!found)
                return std::unexpected(found.error());
            if (which == field::metadata)
            {
                if (const auto* body = found->as<log::session_metadata_changed>())
                    return body->metadata;
                if (const auto* body = found->as<log::session_created>())
                    return body->metadata;
                if (const auto* body = found->as<log::machine_metadata_changed>())
                    return body->metadata;
                if (const auto* body = found->as<log::machine_registered>())
                    return body->metadata;
            }
            else
            {
                if (const auto* body = found->as<log::agent_state_changed>())
                    return body->state;
                if (const auto* body = found->as<log::daemon_state_changed>())
                    return body->state;
                if (const auto* body = found->as<log::machine_registered>())
                    return body->daemon_state;
            }
            return fail(errc::corrupt, "record " + std::to_string(where.value) + " does not hold that field");
        });
}

} // namespace consortium::projections
