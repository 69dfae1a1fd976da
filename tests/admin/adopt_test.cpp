#include "admin/admin_program.hpp"

/// witness adopt as an operator uses it. Each damage, and each step: tests/log/adoption_test.cpp.
using namespace consortium;
using namespace consortium::admin::testing;

namespace
{

class adopt_test : public admin_program
{
protected:
    ended adopt(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"witness", "adopt", "--data", data_.string()});
        return run(more);
    }
    /// A log of 13 records beside a witness that knows of 17.
    void make_log_with_losses()
    {
        make_log();
        fs::copy(data_ / "db", place_ / "older", fs::copy_options::recursive);
        {
            const auto relay = start();
            relay->session("later", 3);
            relay->log->close();
        }
        fs::remove_all(data_ / "db");
        fs::rename(place_ / "older", data_ / "db");
    }
    void copy_data() { fs::copy(data_, copy_, fs::copy_options::recursive); }

    fs::path copy_ = place_ / "copy";
};

} // namespace

TEST_F(adopt_test, says_what_is_lost_and_changes_nothing_without_consent_and_a_copy)
{
    make_log_with_losses();
    const auto refused = verify();
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("witness adopt"), std::string::npos) << refused.err;
    const auto before = files();
    for (const auto& wish : std::vector<std::vector<std::string>>{{}, {"--copy", copy_}, {"--accept-loss"}})
    {
        const auto told = adopt(wish);
        EXPECT_EQ(told.code, 1);
        EXPECT_NE(told.out.find("missing  record 14 to 17: 4 records"), std::string::npos) << told.out;
        EXPECT_NE(told.err.find("Nothing was changed"), std::string::npos) << told.err;
        EXPECT_NE(told.err.find("--copy DIRECTORY"), std::string::npos) << told.err;
    }
    for (const auto& wrong : {copy_, data_, data_ / "db", place_})
        EXPECT_EQ(adopt({"--accept-loss", "--copy", wrong}).code, 3) << wrong;
    copy_data();
    std::ofstream(copy_ / "relay.json") << std::string(fs::file_size(data_ / "relay.json"), 'x');
    const auto other = adopt({"--accept-loss", "--copy", copy_});
    EXPECT_EQ(other.code, 3);
    EXPECT_NE(other.err.find("relay.json is missing there or differs"), std::string::npos) << other.err;
    EXPECT_EQ(files(), before);
}

TEST_F(adopt_test, makes_what_is_left_the_log)
{
    make_log_with_losses();
    copy_data();
    const auto done = adopt({"--accept-loss", "--copy", copy_});
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    EXPECT_NE(done.out.find("Adopted"), std::string::npos);
    const auto verified = json_of(verify({"--json"}));
    EXPECT_TRUE(verified.at("sound").as_bool());
    EXPECT_EQ(verified.at("records").to_number<int>(), 13);
    EXPECT_NE(done.out.find(std::string_view(verified.at("log").as_string())), std::string::npos) << done.out;
    EXPECT_EQ(replay().code, 0);
    {
        const auto relay = start();
        relay->session("goes on", 2);
        relay->log->close();
    }
    EXPECT_EQ(verify().code, 0);
    const auto again = adopt({"--accept-loss", "--copy", copy_});
    EXPECT_EQ(again.code, 0);
    EXPECT_NE(again.out.find("Nothing to adopt"), std::string::npos) << again.out;
}

TEST_F(adopt_test, accepts_a_lost_witness)
{
    make_log();
    fs::remove(data_ / "witness");
    copy_data();
    const auto done = adopt({"--accept-loss", "--copy", copy_});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("cannot be told"), std::string::npos) << done.out;
    EXPECT_EQ(verify().code, 0);
}

// What was signed before is of this log still, by its key, though the log had another id then.
TEST_F(adopt_test, checkpoints_from_before_are_still_held_against_the_log)
{
    make_log();
    std::string checkpoint;
    std::string later;
    {
        const auto relay = start();
        checkpoint = relay->log->read()->checkpoint();
        relay->log->close();
    }
    fs::copy(data_ / "db", place_ / "older", fs::copy_options::recursive);
    {
        const auto relay = start();
        relay->session("later", 3);
        later = relay->log->read()->checkpoint();
        relay->log->close();
    }
    fs::remove_all(data_ / "db");
    fs::rename(place_ / "older", data_ / "db");
    copy_data();
    ASSERT_EQ(adopt({"--accept-loss", "--copy", copy_}).code, 0);
    std::ofstream(place_ / "checkpoint") << checkpoint;
    std::ofstream(place_ / "later") << later;
    const auto held = verify({"--checkpoint", place_ / "checkpoint"});
    EXPECT_EQ(held.code, 0) << held.out << held.err;
    EXPECT_NE(held.out.find("which the log continues"), std::string::npos) << held.out;
    const auto lost = verify({"--checkpoint", place_ / "later"});
    EXPECT_EQ(lost.code, 1) << lost.out << lost.err;
    EXPECT_NE(lost.out.find("what came after is missing"), std::string::npos) << lost.out;
}

TEST_F(adopt_test, leaves_a_running_relay_alone)
{
    make_log();
    const auto relay = start();
    EXPECT_EQ(adopt({"--accept-loss", "--copy", copy_}).code, 3);
    relay->log->close();
}
