#pragma once
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace consortium::agent::testing
{

/// A directory of its own for a test, removed afterwards.
class fresh_directory
{
public:
    fresh_directory()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "consortium-agent-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::runtime_error("cannot make a temporary directory");
        path_ = pattern;
    }
    ~fresh_directory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    fresh_directory(const fresh_directory&) = delete;
    fresh_directory& operator=(const fresh_directory&) = delete;

    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// Thrown where a crash is simulated: nothing after it is carried out.
struct simulated_crash
{
};

} // namespace consortium::agent::testing
