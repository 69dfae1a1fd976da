// Acts and signed boxes: what is inside an authentic bundle or box, from somebody who knows its key.
#include "consortium/common/base64.hpp"
#include "consortium/e2ee/act.hpp"
#include "consortium/e2ee/signed_box.hpp"

using namespace consortium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    if (const auto read = e2ee::act_parse(input))
    {
        const auto again = e2ee::act_parse(view(e2ee::act_plain(*read)));
        CONSORTIUM_ASSERT(
            again && again->text == read->text && again->device == read->device && again->signature == read->signature);
        CONSORTIUM_ASSERT(!e2ee::verify_act({account_id(), "sid", "prompt", e2ee::bundle_id{}}, *read));
    }
    static const auto content = e2ee::x25519_key::from_secret(key256::from(bytes(32, 7)));
    const e2ee::box_purpose purpose{e2ee::data_key_label, "session"};
    CONSORTIUM_ASSERT(!e2ee::open_signed_box(content, account_id(), purpose, text(input)));
    bytes box{1};
    append(box, *box_bundle_seal(content.public_key(), input));
    CONSORTIUM_ASSERT(!e2ee::open_signed_box(content, account_id(), purpose, base64_encode(box)));
    return 0;
}
