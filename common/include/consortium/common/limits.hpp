#pragma once
#include <chrono>
#include <cstddef>

/// Every bound of the system, in one place. Defaults; the relay's flags change those marked (flag).
namespace consortium::limits
{
using namespace std::chrono_literals;

// What one request may hold (docs/protocol.md 2).
inline constexpr std::size_t http_body_bytes_max = 16u << 20;
inline constexpr std::size_t http_header_bytes_max = 16u << 10;
inline constexpr std::size_t frame_bytes_max = 16u << 20;
inline constexpr std::size_t message_bytes_max = 8u << 20;
inline constexpr std::size_t state_bytes_max = 1u << 20;
inline constexpr std::size_t name_bytes_max = 256; ///< tag, localId, machine id
inline constexpr std::size_t sealed_name_bytes_max = 1024;
inline constexpr std::size_t data_key_bytes_max = 1024; ///< a wrapped key, base64
inline constexpr std::size_t messages_per_post_max = 500;
inline constexpr std::size_t list_count_max = 150;
inline constexpr std::size_t list_bytes_max = 8u << 20; ///< a list of sessions ends after the one that reaches it
inline constexpr std::size_t page_count_max = 500;
inline constexpr std::size_t page_bytes_max = 1u << 20; ///< a page of messages ends after the one that reaches it
inline constexpr std::size_t proof_count_max = 100;     ///< records with their proofs in one answer
inline constexpr std::size_t proof_bytes_max = 1u
                                               << 20; ///< their bodies; the answer ends after the one that reaches it

// What a client takes.
inline constexpr std::size_t answer_bytes_max = 16u << 20; ///< an HTTP answer or a frame; refused while it is read
inline constexpr std::size_t held_bytes_max = 8u << 20;    ///< updates that wait while a list is being read
inline constexpr std::size_t post_bytes_max = 512u << 10;  ///< of messages in one request; one message may be larger

// RPC.
inline constexpr std::size_t rpc_method_bytes_max = 512;
inline constexpr std::size_t rpc_methods_per_socket_max = 256;
inline constexpr std::size_t rpc_calls_per_socket_max = 64;
inline constexpr std::size_t rpc_queue_bytes_max = 4u << 20; ///< a target that leaves more untaken gets no calls
inline constexpr auto rpc_timeout = 30s;                     // (flag)
inline constexpr auto rpc_target_grace = 5s;                 ///< how long a call waits for its target to come back

// What a session's agent takes and keeps (docs/protocol.md 5).
inline constexpr std::size_t call_challenges_max = 256;
inline constexpr auto call_lifetime = 60s;
inline constexpr std::size_t call_bytes_max = 8u << 20; ///< of one call, base64: all statements ever made fit
inline constexpr std::size_t act_bytes_max = 1u << 20;  ///< of the signed text of a call
inline constexpr std::size_t ask_in_state_bytes_max = 16u << 10;
inline constexpr std::size_t asks_state_bytes_max = 192u << 10; ///< a state with its questions
inline constexpr std::size_t ask_bytes_max = 4u << 20;
inline constexpr std::size_t asks_open_max = 256;
inline constexpr std::size_t prompts_held_max = 64; ///< and those that wait behind them
inline constexpr std::size_t prompts_kept_bytes_max = 32u << 20;
inline constexpr auto prompt_until_max = 25h; ///< ahead of now
inline constexpr auto unseen_end_grace = 60s; ///< how long a turn's end may go unseen

// Connections.
inline constexpr std::size_t sockets_per_account_max = 10'000;
inline constexpr std::size_t socket_queue_bytes_max = 1u << 20;    ///< above it a socket reads from the log instead
inline constexpr std::size_t account_output_bytes_max = 64u << 20; ///< made for clients that take it slowly (flag)
inline constexpr auto ping_interval = 15s;                         // (flag)
inline constexpr auto ping_timeout = 45s;                          // (flag)
inline constexpr auto connect_timeout = 20s;                       // (flag)

// Login and pairing.
inline constexpr auto challenge_lifetime = 60s;
inline constexpr std::size_t challenges_max = 100'000;
inline constexpr auto pairing_lifetime = 10min; ///< from the answer on
inline constexpr auto pairing_unpolled = 30s;   ///< an unanswered request that nobody asks about
inline constexpr std::size_t pairings_pending_max = 10'000;
inline constexpr auto clock_skew_max = 10min; ///< heartbeats older than this are ignored

// The device chain (docs/protocol.md 2.3).
inline constexpr std::size_t device_additions_max = 2048;
inline constexpr std::size_t statements_per_chain_max = 2 * device_additions_max; ///< each added and revoked once
inline constexpr std::size_t device_name_bytes_max = 200;
inline constexpr std::size_t statement_name_bytes_min = 73; ///< a box bundle of a name of one byte
inline constexpr std::size_t statement_name_bytes_max = 272;
inline constexpr std::size_t statements_per_commit_max = 256;                    ///< more are several commits
inline constexpr std::size_t statement_bytes_max = 512;                          ///< one with the longest name has 466
inline constexpr std::size_t statements_kept_max = 4 * statements_per_chain_max; ///< of all branches of an account

// Accounts.
inline constexpr std::size_t account_bytes_max = std::size_t{20} << 30; // (flag)
inline constexpr std::size_t account_sessions_max = 10'000;             // (flag)
inline constexpr std::size_t account_machines_max = 256;                // (flag)
inline constexpr std::size_t account_devices_max = 256;                 // (flag)
inline constexpr std::size_t record_bytes_counted = 192; ///< of a record beside its body: its header, its rows
inline constexpr auto quota_retry = 60s;
inline constexpr auto invitation_lifetime = 7 * 24h; // (flag)
inline constexpr std::size_t invitations_open_max = 64;
inline constexpr std::size_t invitation_code_bytes_max = 512; ///< as somebody typed it, perhaps a link

// Presence.
inline constexpr auto session_timeout = 60s; // (flag)
inline constexpr auto machine_timeout = 60s;
inline constexpr auto activity_interval = 10s; ///< between two unchanged activity ephemerals

// Catch-up.
inline constexpr std::size_t catch_up_revisions_max = 100'000;
inline constexpr std::size_t catch_up_batch = 256;
inline constexpr std::size_t catch_up_batch_bytes = 512u << 10;
inline constexpr std::size_t caught_up_every = 1000; ///< revisions outside a client's scope

// The log's queue and batches (docs/architecture.md, "The log").
inline constexpr std::size_t batch_records_max = 512;
inline constexpr std::size_t batch_bytes_max = 1u << 20;
inline constexpr std::size_t queue_records_max = 4096;
inline constexpr std::size_t queue_bytes_max = 8u << 20;
inline constexpr std::size_t record_body_bytes_max = message_bytes_max + (1u << 16);
inline constexpr std::size_t disk_free_floor_bytes = 64u << 20; // (flag)

inline constexpr auto checkpoint_interval = 1s; ///< between two signed checkpoints, while something is written
inline constexpr auto compact_delay = 30s;      ///< from a deletion to wiping its keys out of the files

static_assert(message_bytes_max < frame_bytes_max);
static_assert(state_bytes_max < message_bytes_max);
static_assert(ask_in_state_bytes_max < asks_state_bytes_max && asks_state_bytes_max < state_bytes_max);
static_assert(call_bytes_max < frame_bytes_max);
static_assert(batch_records_max <= queue_records_max);
static_assert(page_bytes_max + message_bytes_max < answer_bytes_max);
static_assert(frame_bytes_max <= answer_bytes_max);
static_assert(messages_per_post_max <= batch_records_max);
static_assert(statements_per_commit_max <= batch_records_max);

} // namespace consortium::limits
