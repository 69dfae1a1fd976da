#include "admin/admin_program.hpp"
#include "consortium/protocol/v1/receipt.hpp"

/// What a relay once signed, held against its log.
using namespace consortium;
using namespace consortium::admin::testing;

namespace
{

class claims_test : public admin_program
{
protected:
    struct signed_then
    {
        std::string checkpoint;
        std::string receipt;
        note::verifier key;
        protocol::v1::deletion_receipt said;
    };
    /// A log that went on after it had signed.
    signed_then make_signed_log(std::size_t more)
    {
        const auto relay = start();
        const auto doomed = relay->session("doomed", 5);
        relay->remove(doomed);
        signed_then out;
        out.checkpoint = relay->log->read()->checkpoint();
        out.key = relay->log->checkpoint_key();
        out.said = {
            .what = protocol::v1::deleted_session{.id = doomed, .messages = 5},
            .created = 3,
            .deleted = 9,
            .time = 1'700'000'000'000,
            .head = open_checkpoint(out.checkpoint, out.key).value()};
        signer_.emplace(ed25519_key::from_seed(relay->log->keys().checkpoint_seed));
        out.receipt = note::sign(out.said.text(), out.key.name, *signer_);
        if (more > 0)
            relay->session("later", more);
        relay->log->close();
        return out;
    }
    fs::path write(const std::string& text)
    {
        std::ofstream(place_ / "note", std::ios::trunc) << text;
        return place_ / "note";
    }
    ended receipt(const std::string& text, std::vector<std::string> more)
    {
        more.insert(more.begin(), {"receipt", write(text)});
        return run(more);
    }

    std::optional<ed25519_key> signer_;
};

} // namespace

TEST_F(claims_test, a_log_continues_the_checkpoints_it_signed)
{
    for (const std::size_t more : {0u, 4u})
    {
        const auto then = make_signed_log(more);
        const auto text = verify({"--checkpoint", write(then.checkpoint)});
        EXPECT_EQ(text.code, 0) << text.out << text.err;
        EXPECT_NE(text.out.find("which the log continues"), std::string::npos) << text.out;
        const auto json = json_of(verify({"--json", "--checkpoint", write(then.checkpoint)}));
        EXPECT_TRUE(json.at("checkpoint").at("contained").as_bool());
        fs::remove_all(data_);
    }
}

TEST_F(claims_test, a_checkpoint_of_another_history_is_a_finding)
{
    const auto then = make_signed_log(4);
    auto longer = then.said.head;
    longer.size = 1000;
    auto other = then.said.head;
    other.root[0] ^= 1;
    for (const auto& claimed : {longer, other})
    {
        const auto found = verify({"--checkpoint", write(sign_checkpoint(claimed, *signer_))});
        EXPECT_EQ(found.code, 1) << found.out << found.err;
        EXPECT_NE(found.out.find("the saved checkpoint"), std::string::npos) << found.out;
    }
    auto altered = then.checkpoint;
    altered[altered.find('\n') + 1] ^= 1; // the size
    EXPECT_EQ(verify({"--checkpoint", write(altered)}).code, 1);
    const auto forged = ed25519_key::random();
    EXPECT_EQ(verify({"--checkpoint", write(sign_checkpoint(then.said.head, forged))}).code, 1);
    EXPECT_EQ(verify({"--checkpoint", write("not a note")}).code, 3);
    EXPECT_EQ(verify({"--checkpoint", (place_ / "missing").string()}).code, 3);
}

TEST_F(claims_test, a_receipt_is_checked_against_its_log_or_a_key)
{
    const auto then = make_signed_log(4);
    const auto session = to_string(std::get<protocol::v1::deleted_session>(then.said.what).id);
    for (const auto& how :
         std::vector<std::vector<std::string>>{{"--data", data_.string()}, {"--key", then.key.text()}})
    {
        const auto genuine = receipt(then.receipt, how);
        EXPECT_EQ(genuine.code, 0) << genuine.out << genuine.err;
        for (const auto& words :
             {session, std::string("5 messages"), std::string("2023-11-14"), std::string("Genuine")})
            EXPECT_NE(genuine.out.find(words), std::string::npos) << genuine.out;

        auto altered = then.receipt;
        altered.replace(altered.find("messages 5"), 10, "messages 6");
        EXPECT_EQ(receipt(altered, how).code, 1);
        EXPECT_EQ(receipt(then.checkpoint, how).code, 1) << "a checkpoint is no receipt";
        EXPECT_EQ(receipt("", how).code, 1);
    }
    // Only the log itself can tell that it does not hold what the receipt names.
    auto other = then.said;
    other.head.root[0] ^= 1;
    const auto contradicted = receipt(note::sign(other.text(), then.key.name, *signer_), {"--data", data_.string()});
    EXPECT_EQ(contradicted.code, 1);
    EXPECT_NE(contradicted.out.find("contradicts"), std::string::npos) << contradicted.out;

    EXPECT_EQ(receipt(then.receipt, {"--key", "nonsense"}).code, 3);
    EXPECT_EQ(run({"receipt", (place_ / "missing").string(), "--key", then.key.text()}).code, 3);
}
