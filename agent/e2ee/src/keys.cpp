#include "consortium/e2ee/keys.hpp"
#include "consortium/common/hash.hpp"

namespace consortium::e2ee
{
namespace
{

constexpr std::string_view content_usage =
    "Happy EnCoder"; // a constant of the wider protocol family (docs/protocol.md 4)
constexpr std::string_view metadata_usage = "Consortium Metadata";

struct node
{
    key256 key;
    key256 chain;
};

node split(digest512 digest)
{
    const node out{key256::from(byte_view(digest).first(32)), key256::from(byte_view(digest).subspan(32))};
    wipe(digest);
    return out;
}

} // namespace

key256 derive(const key256& seed, std::string_view usage, std::initializer_list<std::string_view> path)
{
    const auto root_label = std::string(usage) + " Master Seed";
    auto at = split(hmac_sha512(view(root_label), {seed.view()}));
    constexpr std::uint8_t child_mark[] = {0};
    for (const auto name : path)
        at = split(hmac_sha512(at.chain.view(), {byte_view(child_mark), view(name)}));
    return at.key;
}

account_keys make_account_keys(const key256& account_secret)
{
    return {
        ed25519_key::from_seed(account_secret),
        x25519_key::from_seed(derive(account_secret, content_usage, {"content"}))};
}

key256 session_metadata_key(const key256& data_key)
{
    return derive(data_key, metadata_usage, {"session"});
}

} // namespace consortium::e2ee
