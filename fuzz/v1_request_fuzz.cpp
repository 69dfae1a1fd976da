#include "consortium/common/bytes.hpp"
#include "consortium/common/invitation.hpp"
#include "consortium/common/limits.hpp"
#include "consortium/protocol/v1/proofs.hpp"
#include "consortium/protocol/v1/receipt.hpp"
#include "consortium/protocol/v1/requests.hpp"
#include <boost/json/parse.hpp>

// Bodies of requests and arguments of events: whatever comes is refused or within its bounds, and what we write of it
// reads as the same text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace consortium;
    using namespace consortium::protocol::v1;
    if (const auto read = deletion_receipt::parse(text(byte_view(data, size))))
        CONSORTIUM_ASSERT(read->text() == text(byte_view(data, size)));
    const auto object = parse_object_text(text(byte_view(data, size)));
    if (!object)
        return 0;
    if (const auto read = read_challenge_request(*object); read && read->origin)
    {
        std::string written;
        json_writer(written).begin_array().value(*read->origin).end_array();
        const auto again = boost::json::parse(written).as_array().at(0).as_string();
        CONSORTIUM_ASSERT(std::string_view(again) == *read->origin);
    }
    if (const auto read = read_sign_in_request(*object); read && std::holds_alternative<login_request>(*read))
    {
        const auto& login = std::get<login_request>(*read);
        CONSORTIUM_ASSERT(!login.statement || login.device);
        if (login.invitation)
            (void)invitation_of(*login.invitation);
        CONSORTIUM_ASSERT(!login.device || login.device->kind != device_kind::unnamed);
    }
    if (const auto read = read_statements_request(*object))
        CONSORTIUM_ASSERT(!read->empty() && read->size() <= limits::statements_per_chain_max);
    if (const auto read = read_session_deletion(*object); read && *read)
        (void)is_deletion_of(**read, account_id{}, session_id{});
    (void)read_account_deletion(*object);
    if (const auto read = read_record(*object))
    {
        // What was read is written as it was, and nothing that was not made for it is believed.
        std::string written;
        json_writer out(written);
        write(out, *read);
        CONSORTIUM_ASSERT(read_record(*parse_object_text(written)) == *read);
        (void)check_record(*read, {.origin = "x", .size = read->index + 1, .root = {}});
    }
    (void)read_proof(*object);
    if (const auto read = read_log_answer(*object))
        CONSORTIUM_ASSERT(read->records.size() <= limits::proof_count_max);
    (void)read_log_key(*object);
    if (const auto read = read_pairing_request(*object))
        CONSORTIUM_ASSERT(read->sealed_name.size() <= limits::sealed_name_bytes_max);
    (void)read_pairing_answer(*object);
    (void)read_pairing_reveal(*object);
    (void)read_pairing_confirmation(*object);
    (void)read_pairing_refusal(*object);
    if (const auto read = read_session_request(*object))
        CONSORTIUM_ASSERT(!read->tag.empty() && read->tag.size() <= limits::name_bytes_max);
    if (const auto read = read_messages_request(*object))
        CONSORTIUM_ASSERT(!read->messages.empty() && read->messages.size() <= limits::messages_per_post_max);
    if (const auto read = read_machine_request(*object))
        CONSORTIUM_ASSERT(!read->id.empty() && read->metadata.size() <= limits::state_bytes_max);
    if (const auto read = read_handshake(*object))
        CONSORTIUM_ASSERT(!read->token.empty() && (read->follows || !read->since));
    if (const auto read = read_message_event(*object))
        CONSORTIUM_ASSERT(!read->content.empty() && !read->sid.empty());
    for (const auto* name : {"metadata", "agentState", "daemonState"})
        if (const auto read = read_field_update(*object, "sid", name, /*nullable=*/true))
            CONSORTIUM_ASSERT(read->expected <= static_cast<std::uint64_t>(integer_max));
    if (const auto read = read_lease_event(*object))
        CONSORTIUM_ASSERT(
            !read->sid.empty() && read->expected.value_or(revision{}).value <= static_cast<std::uint64_t>(integer_max));
    if (const auto read = read_alive_event(*object, "sid"))
        CONSORTIUM_ASSERT(read->time >= 0);
    (void)read_rpc_method(*object);
    (void)read_rpc_call(*object);
    (void)read_stream_event(*object);
    return 0;
}
