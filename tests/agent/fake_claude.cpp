// A stand-in for `claude` in stream-json mode that follows a script, one command a line:
//   expect TEXT   reads a line, which must contain TEXT; its request_id and uuid are remembered
//   send JSON     writes a line, with $REQUEST_ID and $UUID filled in
//   large BYTES   writes an assistant line with that much text
//   error TEXT    writes to stderr
//   unless ARGUMENT COMMAND  carries the command out when none of the arguments is ARGUMENT
//   argument TEXT is satisfied when one of the arguments is TEXT
//   end           waits for the end of input
//   exit CODE
// The script's file is named by FAKE_CLAUDE_SCRIPT. What is not as scripted ends it with 99.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace
{

std::string field(const std::string& line, const std::string& name)
{
    const auto key = "\"" + name + "\":\"";
    const auto at = line.find(key);
    if (at == std::string::npos)
        return {};
    const auto from = at + key.size();
    return line.substr(from, line.find('"', from) - from);
}

void replace_all(std::string& text, const std::string& what, const std::string& with)
{
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
}

int unexpected(const std::string& what)
{
    std::cerr << "fake claude: " << what << std::endl;
    return 99;
}

} // namespace

int main(int count, char** values)
{
    const std::vector<std::string> arguments(values + 1, values + count);
    const char* name = std::getenv("FAKE_CLAUDE_SCRIPT");
    std::ifstream script(name != nullptr ? name : "");
    std::string command;
    std::string request_id;
    std::string uuid;
    while (std::getline(script, command))
    {
        if (command.starts_with("unless "))
        {
            const auto end = command.find(' ', 7);
            if (std::ranges::find(arguments, command.substr(7, end - 7)) != arguments.end())
                continue;
            command.erase(0, end + 1);
        }
        const auto space = command.find(' ');
        const auto verb = command.substr(0, space);
        auto rest = space == std::string::npos ? std::string() : command.substr(space + 1);
        if (verb == "expect")
        {
            std::string line;
            if (!std::getline(std::cin, line))
                return unexpected("no input where there should be " + rest);
            if (line.find(rest) == std::string::npos)
                return unexpected("expected " + rest + " but got " + line);
            if (const auto id = field(line, "request_id"); !id.empty())
                request_id = id;
            if (const auto id = field(line, "uuid"); !id.empty())
                uuid = id;
        }
        else if (verb == "send")
        {
            replace_all(rest, "$REQUEST_ID", request_id);
            replace_all(rest, "$UUID", uuid);
            std::cout << rest << std::endl;
        }
        else if (verb == "large")
            std::cout << R"({"type":"assistant","message":{"id":"large","content":[{"type":"text","text":")"
                      << std::string(std::stoul(rest), 'x') << "\"}]}}" << std::endl;
        else if (verb == "error")
            std::cerr << rest << std::endl;
        else if (verb == "argument")
        {
            bool found = false;
            for (const auto& each : arguments)
                found = found || each == rest;
            if (!found)
                return unexpected("no argument " + rest);
        }
        else if (verb == "end")
        {
            std::string line;
            while (std::getline(std::cin, line))
            {
            }
        }
        else if (verb == "exit")
            return std::stoi(rest);
        else
            return unexpected("unknown command " + verb);
    }
    return 0;
}
