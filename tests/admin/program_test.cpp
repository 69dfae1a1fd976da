#include "admin/admin_program.hpp"
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

using namespace consortium;
using namespace consortium::admin::testing;

TEST_F(admin_program, explains_itself)
{
    const auto help = run({"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find("verify"), std::string::npos);
    EXPECT_NE(help.out.find("Exit status"), std::string::npos);
    for (const auto* command : {"verify", "replay", "receipt", "compact", "rekey", "views", "witness"})
    {
        EXPECT_NE(help.out.find(command), std::string::npos) << command;
        EXPECT_EQ(run({command, "--help"}).code, 0) << command;
    }
    const auto version = run({"--version"});
    EXPECT_EQ(version.code, 0);
    EXPECT_EQ(version.out, "consortium-admin " CONSORTIUM_VERSION "\n");
    EXPECT_EQ(run({"verify", "--help"}).code, 0);
}

TEST_F(admin_program, refuses_a_wrong_command_line)
{
    for (const auto& wrong : std::vector<std::vector<std::string>>{
             {},
             {"verify"},
             {"unknown"},
             {"replay", "--data", data_.string()},
             {"verify", "--data", data_.string(), "--threads", "0"},
             {"rekey"},
             {"compact"},
             {"receipt", "--data", data_.string()},
             {"receipt", "file"},
             {"views"},
             {"views", "rebuild"},
             {"views", "rebuild", "one", "another", "--data", data_.string()},
             {"witness"},
             {"witness", "adopt"},
         })
    {
        const auto ended = run(wrong);
        EXPECT_EQ(ended.code, 2);
        EXPECT_FALSE(ended.err.empty());
    }
}

TEST_F(admin_program, finds_a_good_log_sound_and_changes_nothing)
{
    make_log();
    const auto before = files();
    const auto text = verify();
    EXPECT_EQ(text.code, 0) << text.out << text.err;
    EXPECT_NE(text.out.find("Sound"), std::string::npos);
    EXPECT_NE(text.out.find("records  13, of which 6 shredded"), std::string::npos) << text.out;
    EXPECT_TRUE(text.err.empty()) << text.err;
    EXPECT_EQ(files(), before);
    for (const auto* threads : {"1", "3"})
    {
        const auto json = json_of(verify({"--json", "--threads", threads}));
        EXPECT_TRUE(json.at("sound").as_bool());
        EXPECT_EQ(json.at("records").to_number<int>(), 13);
        EXPECT_EQ(json.at("shredded").to_number<int>(), 6);
        EXPECT_EQ(json.at("witness").to_number<int>(), 13);
        EXPECT_EQ(json.at("root").as_string().size(), 64u);
        EXPECT_TRUE(json.at("findings").as_array().empty());
    }
}

// Goal: what is left of the log after deletions is enough to rebuild the views that living through them gave.
TEST_F(admin_program, replays_a_log_with_deletions_to_equal_views_and_keeps_nothing)
{
    make_log();
    const auto before = files();
    const auto text = replay();
    EXPECT_EQ(text.code, 0) << text.out << text.err;
    EXPECT_NE(text.out.find("Equal"), std::string::npos);
    EXPECT_NE(text.out.find("events  13"), std::string::npos) << text.out;
    const auto json = json_of(replay({"--json", "--scratch", place_.string()}));
    EXPECT_TRUE(json.at("equal").as_bool());
    EXPECT_EQ(json.at("tables").as_array().size(), views::rules().tables().size() - views::rules().retired().size());
    EXPECT_EQ(files(), before);
    std::set<std::string> left;
    for (const auto& entry : fs::directory_iterator(place_))
        left.insert(entry.path().filename());
    EXPECT_EQ(left, (std::set<std::string>{"data", "stdout", "stderr"}));
}

TEST_F(admin_program, finds_a_view_row_that_is_missing)
{
    make_log();
    change_database(
        "view.local_id",
        [](rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family)
        {
            const std::unique_ptr<rocksdb::Iterator> rows(database.NewIterator({}, &family));
            rows->SeekToFirst();
            ASSERT_TRUE(rows->Valid());
            ASSERT_TRUE(database.Delete({}, &family, rows->key()).ok());
        });
    const auto text = replay();
    EXPECT_EQ(text.code, 1) << text.err;
    EXPECT_NE(text.out.find("local_id"), std::string::npos);
    EXPECT_NE(text.out.find("Different: 1 table"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("keep a copy of the data directory, and report this"), std::string::npos) << text.out;
    EXPECT_EQ(text.out.find("makes anew"), std::string::npos) << "nothing mends this one: " << text.out;
    EXPECT_EQ(verify({"--log-only"}).code, 0) << "the log itself is untouched";
    const auto found = verify();
    EXPECT_EQ(found.code, 1) << found.err;
    EXPECT_NE(found.out.find("view table 'local_id' does not say what the log says"), std::string::npos) << found.out;

    // Both name what mends it.
    const std::string step = "consortium-admin views rebuild ";
    EXPECT_NE(text.out.find(step + "TABLE"), std::string::npos) << text.out;
    EXPECT_NE(found.out.find(step + "local_id"), std::string::npos) << found.out;
    const auto mended = run({"views", "rebuild", "local_id", "--data", data_.string()});
    EXPECT_EQ(mended.code, 0) << mended.err;
    EXPECT_NE(mended.out.find("View table 'local_id' was made anew from the log"), std::string::npos) << mended.out;
    const auto sound = verify();
    EXPECT_EQ(sound.code, 0) << sound.out << sound.err;
}

TEST_F(admin_program, makes_views_anew_without_a_relay)
{
    make_log();
    const auto unknown = run({"views", "rebuild", "nonsense", "--data", data_.string()});
    EXPECT_EQ(unknown.code, 3);
    EXPECT_NE(unknown.err.find("there is no view table 'nonsense'"), std::string::npos) << unknown.err;
    EXPECT_EQ(run({"views", "rebuild", "--data", (place_ / "nothing").string()}).code, 3);
    EXPECT_FALSE(fs::exists(place_ / "nothing"));
    const auto all = run({"views", "rebuild", "--data", data_.string()});
    EXPECT_EQ(all.code, 0) << all.err;
    const auto count = views::rules().tables().size() - views::rules().retired().size();
    EXPECT_TRUE(all.out.starts_with(std::to_string(count) + " view tables were made anew")) << all.out;
    EXPECT_EQ(verify().code, 0);
}

// Goal: what the mirror's commands advise fits what keeps them from being done. Method: no relay, one that died, a path
// that is too long, and a played relay that has no mirror or says nothing.
TEST_F(admin_program, says_what_to_do_when_the_mirror_cannot_be_asked)
{
    const auto status = [&](const fs::path& data)
    {
        const auto out = run({"mirror", "status", "--data", data.string()});
        EXPECT_EQ(out.code, 3) << out.out;
        return out.err;
    };
    EXPECT_EQ(status(data_).find("DATABASE_URL"), std::string::npos) << "there is no such directory";
    fs::create_directory(data_);
    const auto none =
        "no relay runs on " + data_.string() + ": the mirror is a running relay's. Start it, with DATABASE_URL";
    EXPECT_NE(status(data_).find(none), std::string::npos) << status(data_);

    const auto deep = place_ / std::string(100, 'x');
    fs::create_directory(deep);
    const auto long_path = status(deep);
    EXPECT_NE(long_path.find("move the directory to a shorter path"), std::string::npos) << long_path;
    EXPECT_EQ(long_path.find("DATABASE_URL"), std::string::npos) << long_path;

    const auto answering = [&](const std::string& answer)
    {
        const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        const auto path = (data_ / "control.sock").native();
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener, 1), 0);
        std::thread relay(
            [&]
            {
                const int one = ::accept(listener, nullptr, nullptr);
                char asked[512];
                EXPECT_GT(::read(one, asked, sizeof asked), 0);
                EXPECT_EQ(::write(one, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
                ::close(one);
            });
        auto said = status(data_);
        relay.join();
        ::close(listener);
        EXPECT_NE(status(data_).find(none), std::string::npos) << "its socket is left behind";
        fs::remove(data_ / "control.sock");
        return said;
    };
    const auto without = answering(
        R"({"ok":false,"code":"not-found","error":"this relay has no mirror: it was started without DATABASE_URL"})"
        "\n");
    EXPECT_NE(without.find("started without DATABASE_URL. Start it again with that."), std::string::npos) << without;
    const auto failed = answering(R"({"ok":false,"code":"unavailable","error":"Postgres is not there"})"
                                  "\n");
    EXPECT_NE(failed.find("Postgres is not there"), std::string::npos) << failed;
    EXPECT_EQ(failed.find("DATABASE_URL"), std::string::npos) << failed;
    const auto silent = answering("");
    EXPECT_NE(silent.find("gave no answer"), std::string::npos) << silent;
    EXPECT_EQ(silent.find("DATABASE_URL"), std::string::npos) << silent;
    if (::geteuid() == 0)
        return; // to whom everything is allowed
    fs::permissions(data_, fs::perms::none);
    EXPECT_NE(status(data_).find("run this as one of them"), std::string::npos) << status(data_);
    fs::permissions(data_, fs::perms::owner_all);
}

// Goal: what verify calls sound is served. A byte flipped in a file of a view table is found and named; the relay makes
// the table anew.
TEST_F(admin_program, finds_a_flipped_byte_in_a_file_of_a_view)
{
    make_log();
    fs::path file;
    change_database(
        "view.session_hot",
        [&](rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family)
        {
            ASSERT_TRUE(database.Flush({}, &family).ok());
            std::vector<rocksdb::LiveFileMetaData> all;
            database.GetLiveFilesMetaData(&all);
            for (const auto& one : all)
                if (one.column_family_name == family.GetName())
                    file = data_ / "db" / one.name.substr(1);
        });
    ASSERT_FALSE(file.empty());
    ASSERT_EQ(verify().code, 0);
    {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(20);
        const auto before = static_cast<char>(bytes.get());
        bytes.seekp(20);
        bytes.put(static_cast<char>(before ^ 0x10));
    }
    EXPECT_EQ(verify({"--log-only"}).code, 0);
    const auto found = verify();
    EXPECT_EQ(found.code, 1) << found.err;
    EXPECT_NE(found.out.find(file.filename().string()), std::string::npos) << found.out;
    EXPECT_NE(found.out.find("view table 'session_hot'"), std::string::npos) << found.out;
    const auto json = json_of(verify({"--json"}));
    EXPECT_FALSE(json.at("sound").as_bool());
    const auto replayed = replay();
    EXPECT_EQ(replayed.code, 1);
    EXPECT_NE(replayed.out.find("What is damaged the relay makes anew"), std::string::npos) << replayed.out;
    EXPECT_EQ(replayed.out.find("report this"), std::string::npos) << replayed.out;
    {
        const auto relay = start();
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!views::list_sessions(*relay->log->read(), relay->owner.account, 10))
        {
            ASSERT_LT(std::chrono::steady_clock::now(), end);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        relay->log->close();
    }
    EXPECT_EQ(verify().code, 0);
}

TEST_F(admin_program, names_the_record_that_was_changed)
{
    make_log();
    change_database(
        "log",
        [](rocksdb::DB& database, rocksdb::ColumnFamilyHandle& family)
        {
            const auto key = big_endian<std::uint64_t>(12);
            const rocksdb::Slice name(reinterpret_cast<const char*>(key.data()), key.size());
            std::string value;
            ASSERT_TRUE(database.Get({}, &family, name, &value).ok());
            value.back() = static_cast<char>(value.back() ^ 1);
            ASSERT_TRUE(database.Put({}, &family, name, value).ok());
        });
    const auto text = verify();
    EXPECT_EQ(text.code, 1) << text.out << text.err;
    EXPECT_NE(text.out.find("record 12: "), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("Not sound"), std::string::npos);
    const auto json = json_of(verify({"--json"}));
    EXPECT_FALSE(json.at("sound").as_bool());
    EXPECT_EQ(json.at("findings").as_array().at(0).at("lsn").to_number<int>(), 12);
    EXPECT_EQ(replay().code, 3);
}

TEST_F(admin_program, finds_that_acknowledged_records_are_missing)
{
    make_log();
    fs::copy(data_ / "db", place_ / "older", fs::copy_options::recursive);
    {
        const auto relay = start();
        relay->session("later", 2);
        relay->log->close();
    }
    fs::remove_all(data_ / "db");
    fs::rename(place_ / "older", data_ / "db");
    const auto text = verify();
    EXPECT_EQ(text.code, 1);
    EXPECT_NE(text.err.find("14"), std::string::npos) << text.err;
    EXPECT_EQ(json_of(verify({"--json"})).at("error").at("code").as_string(), "log-truncated");
}

TEST_F(admin_program, says_when_it_cannot_read)
{
    make_log();
    fs::rename(data_ / "witness", place_ / "witness");
    EXPECT_EQ(verify().code, 3);
    EXPECT_EQ(replay().code, 3);
    EXPECT_EQ(verify({"--witness", (place_ / "witness").string()}).code, 0);
    fs::rename(place_ / "witness", data_ / "witness");
    EXPECT_EQ(verify().code, 0);

    environment_["CONSORTIUM_MASTER_SECRET"] = "another master secret of more than 32 characters";
    const auto wrong = verify();
    EXPECT_EQ(wrong.code, 3);
    EXPECT_NE(wrong.err.find("secret"), std::string::npos);
    EXPECT_TRUE(wrong.out.empty());
}

TEST_F(admin_program, reads_no_directory_that_is_not_a_log)
{
    const auto missing = verify();
    EXPECT_EQ(missing.code, 3);
    EXPECT_NE(missing.err.find(data_.string()), std::string::npos);
    fs::create_directory(data_);
    EXPECT_EQ(verify().code, 3);
    EXPECT_TRUE(fs::is_empty(data_));
    std::ofstream(data_ / "holiday.jpg") << "not a log";
    EXPECT_EQ(verify().code, 3);
    EXPECT_EQ(replay().code, 3);
}

TEST_F(admin_program, waits_for_nobody_while_a_relay_runs)
{
    const auto relay = start();
    const auto busy = verify();
    EXPECT_EQ(busy.code, 3);
    EXPECT_NE(busy.err.find("a relay runs on it"), std::string::npos) << busy.err;
    EXPECT_EQ(json_of(verify({"--json"})).at("error").at("code").as_string(), "locked");
    relay->log->close();
}

TEST_F(admin_program, finds_the_secret_beside_the_directory)
{
    make_log();
    environment_.clear();
    const auto none = verify();
    EXPECT_EQ(none.code, 3);
    EXPECT_NE(none.err.find("CONSORTIUM_MASTER_SECRET"), std::string::npos);
    std::ofstream(place_ / "elsewhere") << master_secret << "\n";
    EXPECT_EQ(verify({"--secret-file", (place_ / "elsewhere").string()}).code, 0);
    std::ofstream(place_ / "data.secret") << master_secret << "\n";
    EXPECT_EQ(verify().code, 0);
    data_ += "/";
    EXPECT_EQ(verify().code, 0);
    environment_["CONSORTIUM_DATA_DIR"] = data_;
    EXPECT_EQ(run({"verify"}).code, 0);
}
