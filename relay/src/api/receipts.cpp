#include "api/receipts.hpp"
#include "consortium/common/sign.hpp"
#include <spdlog/spdlog.h>

namespace consortium::relay::api
{
namespace
{

struct signed_deletion
{
    std::string receipt;
    v1::proof_object proof;
};

result<signed_deletion> sign_deletion(const log::event_log& source, lsn number, v1::deletion_receipt said)
{
    const auto at = source.read();
    auto proof = prove(*at, number);
    if (!proof)
        return std::unexpected(proof.error());
    const auto signer = source.checkpoint_key();
    auto head = open_checkpoint(proof->checkpoint, signer);
    if (!head)
        return std::unexpected(head.error());
    said.head = std::move(*head);
    const auto key = ed25519_key::from_seed(source.keys().checkpoint_seed);
    return signed_deletion{note::sign(said.text(), signer.name, key), std::move(*proof)};
}

} // namespace

asio::awaitable<net::http_response> answer_deletion(services& shared, committed_events done, v1::deletion_receipt said)
{
    CONSORTIUM_ASSERT(!done.empty());
    const auto& header = done.back()->header;
    said.deleted = header.rev.value;
    said.time = header.time;
    co_return co_await on_reader(
        shared,
        [&shared, number = done.back()->number, said = std::move(said)]
        {
            auto made = sign_deletion(shared.log, number, said);
            if (!made)
            {
                spdlog::error("no receipt for record {}: {}", number.value, made.error().detail);
                return refuse({errc::internal, {}, {}}, "It was deleted, but the receipt could not be made");
            }
            std::string json;
            v1::json_writer out(json);
            out.begin_object().field("success", true).field("receipt", made->receipt).key("proof");
            v1::write(out, made->proof);
            out.end_object();
            return ok(std::move(json));
        });
}

} // namespace consortium::relay::api
