// What people paste and what a relay answers while pairing and signing in.
#include "consortium/common/error.hpp"
#include "consortium/common/hash.hpp"
#include "consortium/e2ee/backup.hpp"
#include "consortium/e2ee/login.hpp"
#include "consortium/e2ee/pairing.hpp"

using namespace consortium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const byte_view input(data, size);
    if (const auto link = e2ee::pairing_link_parse(text(input)))
        CONSORTIUM_ASSERT(e2ee::pairing_link_make(*link) == text(input));
    if (const auto secret = e2ee::backup_parse(text(input)))
        CONSORTIUM_ASSERT(e2ee::backup_parse(e2ee::backup_text(*secret)).value() == *secret);
    if (const auto origin = e2ee::origin_of(text(input)))
        CONSORTIUM_ASSERT(e2ee::origin_of(*origin).value() == *origin);
    (void)e2ee::challenge_check(text(input), "http://127.0.0.1:3005", ed25519_public{});

    const key256 secret;
    const digest256 transcript{};
    CONSORTIUM_ASSERT(!e2ee::pairing_answer_open(secret, transcript, input));
    CONSORTIUM_ASSERT(!e2ee::pairing_name_open(secret, text(input)));
    // The same bytes under a good seal: what someone who has the link may send.
    auto sealed = to_bytes(input);
    append(sealed, hmac_sha256(secret.view(), {view("consortium pairing answer 2\n"), transcript, input}));
    if (const auto answer = e2ee::pairing_answer_open(secret, transcript, sealed))
    {
        CONSORTIUM_ASSERT(e2ee::pairing_answer_make(secret, transcript, *answer) == sealed);
        CONSORTIUM_ASSERT(!e2ee::pairing_chain_check(*answer, ed25519_public{}, {}));
    }
    // A person types anything.
    if (const auto digits = e2ee::pairing_digits_read(text(input)))
        CONSORTIUM_ASSERT(e2ee::pairing_digits_read(*digits) == digits);
    return 0;
}
