// Bundles and what is inside them, from a relay that may send anything.
#include "consortium/common/error.hpp"
#include "consortium/e2ee/box.hpp"
#include "consortium/e2ee/bundle.hpp"
#include "consortium/e2ee/envelope.hpp"
#include "consortium/e2ee/secretbox.hpp"
#include <boost/json/serialize.hpp>

using namespace consortium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    const key256 key;
    const e2ee::bundle_place place{"acc", "sid", "prompt"};
    CONSORTIUM_ASSERT(!e2ee::bundle_open(key, place, input));
    CONSORTIUM_ASSERT(!e2ee::bundle_v0_open(key, input));
    CONSORTIUM_ASSERT(!e2ee::metadata_open(key, key, input));
    static const auto box_key = e2ee::x25519_key::from_secret(key256::from(bytes(32, 7)));
    CONSORTIUM_ASSERT(!e2ee::box_bundle_open(box_key, input));

    // The same bytes as the plaintext of an authentic one.
    const auto sealed = e2ee::bundle_seal(key, place, e2ee::bundle_id{}, e2ee::bundle_nonce{}, input);
    CONSORTIUM_ASSERT(e2ee::bundle_open(key, place, *sealed)->plain == to_bytes(input));
    if (const auto read = e2ee::envelope_parse(input))
    {
        const auto again = e2ee::envelope_parse(view(e2ee::envelope_text(*read)));
        CONSORTIUM_ASSERT(again && again->from == read->from && again->n == read->n && again->prev == read->prev);
    }
    if (const auto read = e2ee::prompt_parse(text(input)))
    {
        const auto again = e2ee::prompt_parse(e2ee::prompt_text(*read));
        CONSORTIUM_ASSERT(again && again->said.n == read->said.n && again->seen == read->seen);
        CONSORTIUM_ASSERT(again->until == read->until && again->said.from == read->said.from);
    }
    if (const auto read = e2ee::call_parse(text(input)))
    {
        const auto again = e2ee::call_parse(e2ee::call_text(*read));
        CONSORTIUM_ASSERT(again && again->challenge == read->challenge);
    }
    return 0;
}
