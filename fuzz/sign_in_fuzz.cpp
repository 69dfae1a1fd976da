#include "auth/challenges.hpp"
#include "auth/origins.hpp"
#include "auth/tokens.hpp"

// Tokens, challenges and origins as strangers send them: none that was not made here is accepted, and an origin that is
// accepted reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::relay;
    init_crypto();
    static const manual_clock clock(1'700'000'000'000);
    static const challenge_book book(clock);
    static const token_signer signer(key256(byte_array<32>{1}));
    static const auto origins = *accepted_origins::make(
        {.public_urls = {"https://relay.example"}, .own_hosts = {"box", "10.0.0.1"}, .port = 3005});

    const byte_view given(data, size);
    CONSORTIUM_ASSERT(!signer.verify(text(given)));
    CONSORTIUM_ASSERT(!book.check(given, byte_array<32>{}));
    if (const auto parsed = parse_origin(text(given)))
        CONSORTIUM_ASSERT(to_string(*parsed) == text(given));
    if (origins.check(text(given)))
        CONSORTIUM_ASSERT(parse_origin(text(given)).has_value());
    if (const auto named = origins.of_host(text(given), /*tls=*/false))
        CONSORTIUM_ASSERT(origins.check(*named).has_value());
    return 0;
}
