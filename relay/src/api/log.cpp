#include "api/http.hpp"
#include "consortium/projections/views.hpp"

/// What clients hold the log against: docs/protocol.md, "Checking the log".
namespace consortium::relay::api
{
namespace
{

constexpr auto number_max = static_cast<std::uint64_t>(v1::integer_max);

asio::awaitable<net::http_response> show_key(call given)
{
    std::string json;
    v1::json_writer out(json);
    v1::write(out, v1::log_key{to_string(given.shared.log.id()), given.shared.log.checkpoint_key()});
    co_return ok(std::move(json));
}

/// A tree that this log has not grown to: whoever saw it saw another log, or this one lost something. `log` tells
/// which.
net::http_response refuse_reading(const call& given, const error& why)
{
    if (why != errc::conflict)
        return refuse(why);
    return refuse(why, why.detail, ",\"log\":\"" + to_string(given.shared.log.id()) + "\"");
}

/// The newest checkpoint, and that it continues the tree the client names with `from`.
result<v1::log_answer> begin_answer(const call& given, const log::snapshot& at)
{
    const auto from = query_number(given.request, "from", 0, 0, number_max);
    if (!from)
        return std::unexpected(from.error());
    const auto size = at.head().value;
    if (*from > size)
        return fail(
            errc::conflict, "this log has " + std::to_string(size) + " records, fewer than the " +
                                std::to_string(*from) + " that were seen before");
    v1::log_answer out{
        .log = to_string(given.shared.log.id()), .checkpoint = at.checkpoint(), .consistency = {}, .records = {}};
    if (given.request.query_value("from"))
    {
        auto path = at.prove_consistency(*from, size);
        if (!path)
            return std::unexpected(path.error());
        out.consistency = std::move(*path);
    }
    return out;
}

net::http_response read_checkpoint(const call& given)
{
    const auto at = given.shared.log.read();
    const auto answer = begin_answer(given, *at);
    if (!answer)
        return refuse_reading(given, answer.error());
    std::string json;
    v1::json_writer out(json);
    v1::write(out, *answer, /*with_records=*/false);
    return ok(std::move(json));
}

asio::awaitable<net::http_response> show_checkpoint(call given)
{
    co_return co_await on_reader(std::move(given), read_checkpoint);
}

/// The records of these revisions that `who` may see. What it may not see is passed over like what is not there; the
/// end of the account's stream ends the list, and so does the record that makes it large.
result<std::vector<v1::record_object>>
prove_revisions(const log::snapshot& at, const projections::principal& who, std::uint64_t first, std::uint64_t count)
{
    std::vector<v1::record_object> out;
    std::size_t size = 0;
    const auto newest = projections::last_revision(at, who.account);
    if (!newest)
        return std::unexpected(newest.error());
    const auto last = std::min(first + count - 1, newest->value);
    for (auto rev = first; rev <= last && size < limits::proof_bytes_max; ++rev)
    {
        const auto number = projections::find_revision(at, who, revision{rev});
        if (!number && number.error() == errc::not_found)
            continue;
        if (!number)
            return std::unexpected(number.error());
        auto record = at.prove(*number, at.head().value);
        if (!record)
            return std::unexpected(record.error());
        size += record->body ? record->body->size() : 0;
        out.push_back(object_of(std::move(*record)));
    }
    if (out.empty())
        return fail(errc::not_found, "Record not found");
    return out;
}

net::http_response read_proof(const call& given)
{
    const auto first = query_number(given.request, "revision", 0, 1, number_max);
    const auto count = query_number(given.request, "count", 1, 1, limits::proof_count_max);
    for (const auto* number : {&first, &count})
        if (!*number)
            return refuse(number->error());
    if (*first == 0)
        return refuse({errc::bad_request, "revision is missing", {}});

    const auto at = given.shared.log.read();
    auto answer = begin_answer(given, *at);
    if (!answer)
        return refuse_reading(given, answer.error());
    auto records = prove_revisions(*at, given.who, *first, *count);
    if (!records)
        return refuse(records.error());
    answer->records = std::move(*records);
    std::string json;
    v1::json_writer out(json);
    v1::write(out, *answer, /*with_records=*/true);
    return ok(std::move(json));
}

asio::awaitable<net::http_response> show_proof(call given)
{
    co_return co_await on_reader(std::move(given), read_proof);
}

constexpr route routes[] = {
    {"GET", "/v1/log/key", access::anyone, &body_bounds::small, show_key},
    {"GET", "/v1/log/checkpoint", access::token, &body_bounds::small, show_checkpoint},
    {"GET", "/v1/log/proof", access::token, &body_bounds::small, show_proof},
};

} // namespace

std::span<const route> log_routes()
{
    return routes;
}

} // namespace consortium::relay::api
