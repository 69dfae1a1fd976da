#pragma once
#include <functional>
#include <string_view>

namespace consortium::agent::testing
{

/// A disk that fails as it is told, for this program's own files: system calls are asked for here before they are made.
/// One at a time.
class failing_disk
{
public:
    /// Of `call` ("write", "fdatasync", "fsync", "ftruncate", "rename"): the errno to fail with, or 0. A `write` to a
    /// file writes half of what it should before it fails.
    using judge = std::function<int(std::string_view call)>;

    explicit failing_disk(judge judged);
    ~failing_disk();
    failing_disk(const failing_disk&) = delete;
    failing_disk& operator=(const failing_disk&) = delete;
};

} // namespace consortium::agent::testing
