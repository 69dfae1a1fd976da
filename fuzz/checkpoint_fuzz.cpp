#include "consortium/common/checkpoint.hpp"

// Notes and checkpoints as a relay hands them to its clients: only what this key signed opens, and what is read is
// written as the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    static const auto key = ed25519_key::from_seed(key256(byte_array<32>{1}));
    static const note::verifier by{"consortium-log/test", key.public_key()};
    const auto input = text(byte_view(data, size));

    if (const auto opened = note::open(input, by))
    {
        // Ed25519 signs a text in one way only: the signature of ours must stand in the note.
        const auto ours = note::sign(*opened, by.name, key);
        CONSORTIUM_ASSERT(input.starts_with(*opened));
        CONSORTIUM_ASSERT(input.find(ours.substr(opened->size() + 1)) != std::string_view::npos);
    }
    if (const auto opened = open_checkpoint(input, by))
    {
        CONSORTIUM_ASSERT(opened->origin == by.name);
        CONSORTIUM_ASSERT(input.starts_with(opened->text()));
    }
    if (const auto read = note::verifier::parse(input))
        CONSORTIUM_ASSERT(read->text() == input);
    if (const auto read = checkpoint::parse(input))
    {
        CONSORTIUM_ASSERT(input.starts_with(read->text()));
        CONSORTIUM_ASSERT(checkpoint::parse(read->text()) == *read);
    }
    // A signed text opens as itself, whatever it says, unless it has bytes that no note has.
    if (input.ends_with('\n'))
    {
        const auto signed_text = note::sign(input, by.name, key);
        if (const auto opened = note::open(signed_text, by))
            CONSORTIUM_ASSERT(*opened == input);
        else
            CONSORTIUM_ASSERT(opened.error() == errc::bad_request);
    }
    return 0;
}
