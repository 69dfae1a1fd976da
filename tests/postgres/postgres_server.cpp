#include "postgres_server.hpp"
#include <arpa/inet.h>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace consortium::postgres::testing
{
namespace
{

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const fs::path programs = "/usr/lib/postgresql/15/bin";

const passwd* other_user()
{
    return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr;
}

/// A child that ends with this process.
pid_t launch(std::vector<std::string> command, const fs::path& output)
{
    // All that takes memory is made before: another thread may hold the allocator's lock at the fork.
    const auto* user = other_user();
    std::vector<char*> arguments;
    for (auto& one : command)
        arguments.push_back(one.data());
    arguments.push_back(nullptr);
    const auto child = ::fork();
    if (child < 0)
        throw std::runtime_error("cannot fork");
    if (child > 0)
        return child;
    if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
        ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

std::string text_of(const fs::path& file)
{
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Neither gone nor waiting for somebody to hear of its end.
bool runs(pid_t process)
{
    const auto status = text_of("/proc/" + std::to_string(process) + "/stat");
    const auto name_end = status.rfind(')');
    return name_end != std::string::npos && name_end + 2 < status.size() && status[name_end + 2] != 'Z';
}

std::uint16_t free_port()
{
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(probe, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("no free port");
    ::close(probe);
    return ntohs(address.sin_port);
}

} // namespace

postgres_server::postgres_server()
{
    std::string name = (fs::temp_directory_path() / "consortium-postgres-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("cannot make " + name);
    place_ = name;
    if (const auto* user = other_user())
        if (::chown(place_.c_str(), user->pw_uid, user->pw_gid) != 0)
            throw std::runtime_error("cannot give " + name + " to " + user->pw_name);
    int status = -1;
    ::waitpid(
        launch(
            {programs / "initdb", "--pgdata=" + (place_ / "data").string(), "--username=postgres", "--auth=trust",
             "--encoding=UTF8", "--locale=C", "--no-sync"},
            place_ / "initdb.log"),
        &status, 0);
    if (status != 0)
        throw std::runtime_error("initdb failed: " + text_of(place_ / "initdb.log"));
    port_ = free_port();
    start();
    sql("CREATE DATABASE mirror", "postgres");
}

postgres_server::~postgres_server()
{
    end(SIGQUIT);
    std::error_code ignored;
    fs::remove_all(place_, ignored);
}

void postgres_server::start()
{
    process_ = launch(
        {programs / "postgres", "-D", (place_ / "data").string(), "-p", std::to_string(port_), "-c",
         "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=20"},
        place_ / "server.log");
    for (const auto until = std::chrono::steady_clock::now() + 60s;;)
    {
        try
        {
            sql("SELECT 1", "postgres");
            return;
        }
        catch (const pqxx::broken_connection&)
        {
            if (std::chrono::steady_clock::now() > until || ::waitpid(process_, nullptr, WNOHANG) == process_)
                throw std::runtime_error("PostgreSQL does not start: " + text_of(place_ / "server.log"));
            std::this_thread::sleep_for(20ms);
        }
    }
}

std::vector<pid_t> postgres_server::processes() const
{
    std::vector<pid_t> out;
    if (process_ < 0)
        return out;
    out.push_back(process_);
    std::ifstream children("/proc/" + std::to_string(process_) + "/task/" + std::to_string(process_) + "/children");
    for (pid_t child = 0; children >> child;)
        out.push_back(child);
    return out;
}

void postgres_server::signal(int which) const
{
    for (const auto one : processes())
        ::kill(one, which);
}

void postgres_server::end(int with)
{
    if (process_ < 0)
        return;
    const auto all = processes();
    signal(SIGCONT);
    if (with == SIGKILL)
        signal(SIGKILL);
    else
        ::kill(process_, with);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
    // The others are not ours to wait for, and the next start must not meet their shared memory.
    for (const auto one : all)
        while (runs(one))
            std::this_thread::sleep_for(5ms);
}

void postgres_server::kill()
{
    end(SIGKILL);
}

void postgres_server::stop()
{
    end(SIGINT);
}

fs::path postgres_server::take_tls(const std::vector<std::string>& hosts)
{
    std::string names;
    for (const auto& host : hosts)
        names += (names.empty() ? "subjectAltName=DNS:" : ",DNS:") + host;
    const auto certificate = place_ / "data" / "server.crt";
    int status = -1;
    ::waitpid(
        launch(
            {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", place_ / "data" / "server.key", "-out", certificate, "-days", "2", "-subj", "/CN=postgres",
             "-addext", names},
            place_ / "openssl.log"),
        &status, 0);
    if (status != 0)
        throw std::runtime_error("no certificate: " + text_of(place_ / "openssl.log"));
    sql("ALTER SYSTEM SET ssl = on");
    sql("SELECT pg_reload_conf()");
    for (const auto until = std::chrono::steady_clock::now() + 60s; sql("SHOW ssl")[0][0].as<std::string>() != "on";)
    {
        if (std::chrono::steady_clock::now() > until)
            throw std::runtime_error("PostgreSQL takes no TLS: " + text_of(place_ / "server.log"));
        std::this_thread::sleep_for(20ms);
    }
    return certificate;
}

std::string postgres_server::url(const std::string& user, const std::string& database) const
{
    return "postgresql://" + user + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

pqxx::result postgres_server::sql(const std::string& query, const std::string& database) const
{
    pqxx::connection connection(url("postgres", database));
    pqxx::nontransaction in(connection);
    return in.exec(query);
}

} // namespace consortium::postgres::testing
