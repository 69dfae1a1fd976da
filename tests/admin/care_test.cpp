#include "admin/admin_program.hpp"
#include "consortium/log/master_secret.hpp"

/// rekey and compact without a relay. Beside one: tests/system/relay_control.test.ts.
using namespace consortium;
using namespace consortium::admin::testing;

namespace
{

class care_test : public admin_program
{
protected:
    void SetUp() override { make_log(); }
    ended rekey(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"rekey", "--data", data_.string()});
        return run(more);
    }
    void keep_secret_in_file()
    {
        environment_.clear();
        std::ofstream(file_) << master_secret << "\n";
    }
    std::string key_file() const { return content_of(data_ / "root.key"); }

    fs::path file_ = place_ / "data.secret";
};

} // namespace

TEST_F(care_test, rekey_makes_a_new_secret_for_the_file_that_held_the_old_one)
{
    keep_secret_in_file();
    const auto before = files();
    const auto done = rekey();
    EXPECT_EQ(done.code, 0) << done.err;
    const auto secret = content_of(file_);
    EXPECT_GE(secret.size(), log::master_secret_bytes_min);
    EXPECT_EQ(secret.find(master_secret), std::string::npos);
    EXPECT_NE(done.out.find(file_), std::string::npos) << done.out;
    EXPECT_EQ((done.out + done.err).find(secret.substr(0, 20)), std::string::npos) << "a secret is never shown";
    EXPECT_EQ(fs::status(file_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(verify().code, 0);
    environment_["CONSORTIUM_MASTER_SECRET"] = master_secret;
    EXPECT_EQ(verify().code, 3);

    auto after = files();
    EXPECT_NE(after.at("root.key"), before.at("root.key"));
    after["root.key"] = before.at("root.key");
    EXPECT_EQ(after, before) << "one wrapped key was rewritten and nothing else";
}

TEST_F(care_test, rekey_asks_for_the_new_secret_when_the_old_one_was_in_the_environment)
{
    const auto before = key_file();
    const auto asked = rekey();
    EXPECT_EQ(asked.code, 3);
    EXPECT_NE(asked.err.find("CONSORTIUM_NEW_MASTER_SECRET"), std::string::npos);
    environment_["CONSORTIUM_NEW_MASTER_SECRET"] = "too short";
    EXPECT_EQ(rekey().code, 3);
    EXPECT_EQ(key_file(), before);

    const std::string next = "the next secret, of more than 32 characters";
    environment_["CONSORTIUM_NEW_MASTER_SECRET"] = next;
    const auto done = rekey();
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("set CONSORTIUM_MASTER_SECRET"), std::string::npos) << done.out;
    EXPECT_EQ((done.out + done.err).find(next), std::string::npos) << "a secret is never shown";
    EXPECT_EQ(verify().code, 3);
    EXPECT_FALSE(fs::exists(file_)) << "a given secret is not written down";

    environment_["CONSORTIUM_MASTER_SECRET"] = next;
    EXPECT_EQ(verify().code, 0);
    environment_.erase("CONSORTIUM_NEW_MASTER_SECRET");
    const auto third = place_ / "third";
    std::ofstream(third) << "the third secret, of more than 32 characters\n";
    EXPECT_EQ(rekey({"--new-secret-file", third}).code, 0);
    EXPECT_EQ(verify({"--secret-file", third}).code, 0);
}

// A start without the variable reads the file: it must not go on saying what opens nothing.
TEST_F(care_test, rekey_changes_a_file_that_says_the_same_as_the_environment)
{
    std::ofstream(file_) << master_secret << "\n";
    environment_["CONSORTIUM_NEW_MASTER_SECRET"] = "the next secret, of more than 32 characters";
    EXPECT_EQ(rekey().code, 0);
    EXPECT_EQ(content_of(file_), "the next secret, of more than 32 characters\n");
    environment_.clear();
    EXPECT_EQ(verify().code, 0);

    const auto copy = place_ / "copy";
    fs::copy(file_, copy);
    const auto refused = rekey({"--secret-file", copy});
    EXPECT_EQ(refused.code, 3);
    EXPECT_NE(refused.err.find(file_), std::string::npos) << refused.err;
    EXPECT_EQ(verify().code, 0);
}

TEST_F(care_test, rekey_refuses_what_is_not_the_secret)
{
    environment_["CONSORTIUM_MASTER_SECRET"] = "another master secret of more than 32 characters";
    environment_["CONSORTIUM_NEW_MASTER_SECRET"] = "the next secret, of more than 32 characters";
    const auto before = key_file();
    const auto wrong = rekey();
    EXPECT_EQ(wrong.code, 3);
    EXPECT_NE(wrong.err.find("secret"), std::string::npos);
    EXPECT_EQ(key_file(), before);
}

TEST_F(care_test, compact_leaves_a_sound_log)
{
    const auto done = run({"compact", "--data", data_.string()});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("rewritten"), std::string::npos) << done.out;
    EXPECT_EQ(verify().code, 0);
    EXPECT_EQ(replay().code, 0);
    EXPECT_EQ(run({"compact", "--data", (place_ / "nothing").string()}).code, 3);
    EXPECT_FALSE(fs::exists(place_ / "nothing"));
}

// The directory is held, but by something that takes no commands.
TEST_F(care_test, says_that_nobody_takes_commands)
{
    keep_secret_in_file();
    const auto relay = start();
    for (const auto* command : {"compact", "rekey"})
    {
        const auto refused = run({command, "--data", data_.string()});
        EXPECT_EQ(refused.code, 3);
        EXPECT_NE(refused.err.find("no relay takes commands"), std::string::npos) << refused.err;
    }
    relay->log->close();
}
