#pragma once
#include "consortium/common/clock.hpp"
#include "consortium/e2ee/pairing.hpp"
#include "identity/keystore.hpp"
#include "link/relay_client.hpp"

namespace consortium::agent
{

/// A pairing whose digits were typed right at this terminal, until the account's chain names this machine. On disk:
/// after a crash it is looked up there. Nothing may be done with it before.
struct unconfirmed_pairing
{
    std::string server_url;
    e2ee::pairing_answer answer;
    key256 device_seed;
    std::vector<bytes> statements; ///< the confirmed chain, as soon as it came
};
result<std::optional<unconfirmed_pairing>> load_unconfirmed_pairing(const keystore& store);
result<void> save_unconfirmed_pairing(const keystore& store, const unconfirmed_pairing& value);
result<void> forget_unconfirmed_pairing(const keystore& store);

/// One attempt to be paired with a dashboard's account (docs/protocol.md 2.2), with a device key of its own. In memory
/// only, and over with the first thing that is wrong.
class pairing_attempt
{
public:
    enum class state
    {
        waiting,   ///< for an answer
        answered,  ///< the two halves of the code are being compared
        confirmed, ///< the account's chain names this machine
    };

    pairing_attempt(relay_client& relay, std::string_view name, const boot_clock& spans);

    /// For the QR code.
    std::string link() const;
    /// Asks the relay once, and does what is due. Errors end the attempt, and say why in words for people; not being
    /// reached is none.
    asio::awaitable<result<state>> advance();
    /// Why the relay was not reached when it was asked last. Empty: it was, or somebody else answered, which
    /// relay_client::on_stranger says.
    const std::string& unreached() const noexcept { return unreached_; }
    /// What the person typed, as pairing_digits_read() gives it. One try. Errors as advance().
    result<void> type(std::string_view digits);
    /// The half that the dashboard asks for. Not before the other was typed right.
    std::string own_half() const;
    /// What to keep from now on. As own_half().
    unconfirmed_pairing to_keep() const;
    /// Tells the other end that it is over. Errors do not matter.
    asio::awaitable<void> refuse();

private:
    asio::awaitable<result<void>> announce();
    asio::awaitable<result<void>> reveal();
    result<void> accept(const unchecked& status);
    result<state> confirm(const unchecked& status);

    relay_client& relay_;
    const boot_clock& spans_;
    e2ee::x25519_key key_ = e2ee::x25519_key::random();
    key256 secret_ = key256::random();
    key256 device_seed_ = key256::random();
    pairing_nonce nonce_ = random_array<32>();
    pairing_request request_;
    bool announced_ = false;
    template <class Answer>
    void note_reached(const Answer& answer)
    {
        unreached_ = answer || answer.error().by_stranger ? std::string() : answer.error().detail;
    }
    std::string unreached_;
    std::optional<e2ee::pairing_answer> answer_;
    std::optional<e2ee::pairing_code> code_;
    boot_time answered_at_;
    bool revealed_ = false;
    bool typed_ = false;
    std::vector<bytes> statements_;
};

/// After a crash: whether the account's chain names this machine by now. Signs in, stores and forgets the rest if so.
/// errc::not_found: not yet, or never; errc::conflict: the relay's chain is on another branch than the dashboard saw.
/// Other errors: the relay is not reached.
asio::awaitable<result<identity>>
finish_pairing(relay_client& relay, const keystore& store, unconfirmed_pairing kept, const clock_source& clock);

} // namespace consortium::agent
