// Statements of an account's devices, as a relay or another device hands them over: one, and a list of them.
#include "consortium/common/device_chain.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/common/secret.hpp"
#include <string_view>

using namespace consortium;

namespace
{

// The account whose key signs what the fuzzer makes of a statement: a good signature, any content.
const auto account_key = []
{
    init_crypto();
    return ed25519_key::from_seed(key256());
}();

/// What may be said of any statement, whoever made it.
void judge(byte_view input)
{
    const auto said = parse_statement(input);
    if (!said)
        return;
    // One form for each content.
    const auto signed_anew = sign_statement(account_key, *said);
    CONSORTIUM_ASSERT(signed_anew.size() == input.size());
    CONSORTIUM_ASSERT(std::equal(input.begin(), input.end() - 64, signed_anew.begin()));

    device_chain chain(said->account, account_key.public_key());
    const auto appended = chain.append(byte_view(signed_anew));
    const bool first = said->n == 1 && said->previous == byte_array<32>{} && said->action == statement_action::add;
    CONSORTIUM_ASSERT(appended.has_value() == first);
    device_set set(said->account, account_key.public_key());
    CONSORTIUM_ASSERT(set.learn(std::vector<bytes>{signed_anew}).value_or(false) == first);
    CONSORTIUM_ASSERT(set.empty() != first);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    judge(input);

    // A list: each preceded by its length. Whatever is taken, chain and set say the same of it.
    std::vector<bytes> list;
    for (auto rest = input; rest.size() >= 2;)
    {
        const auto length = std::min<std::size_t>(load_big_endian<std::uint16_t>(rest), rest.size() - 2);
        list.push_back(to_bytes(rest.subspan(2, length)));
        rest = rest.subspan(2 + length);
    }
    device_chain chain(account_id{}, account_key.public_key());
    const bool whole = chain.append(list).has_value();
    device_set set(account_id{}, account_key.public_key());
    const auto learned = set.learn(list);
    if (whole)
        CONSORTIUM_ASSERT(learned.has_value());
    CONSORTIUM_ASSERT(set.lacking(chain).empty() || !whole);
    for (const auto& key : set.devices())
        CONSORTIUM_ASSERT(set.standing_of(key) != device_standing::unknown && set.kind_of(key));
    return 0;
}
