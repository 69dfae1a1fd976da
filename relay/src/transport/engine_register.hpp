#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace consortium::relay
{

class engine_connection;

/// The connections that requests of any thread ask for by their sid: those that began by polling, until they end.
/// Thread-safe.
class engine_register
{
public:
    enum class carrier
    {
        polling,
        websocket,
    };
    struct entry
    {
        std::shared_ptr<engine_connection> connection;
        carrier carried_by = carrier::polling;
    };

    void add(std::string sid, std::shared_ptr<engine_connection> connection);
    /// It polls no more.
    void upgraded(const std::string& sid);
    void remove(const std::string& sid);

    void clear();

    std::optional<entry> find(std::string_view sid) const;
    std::size_t polling_count() const;

private:
    mutable std::mutex guard_;
    std::unordered_map<std::string, entry> entries_;
    std::size_t polling_count_ = 0;
};

} // namespace consortium::relay
