#pragma once
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace consortium
{

/// Places that are few, and who has them: how many in all, how many of each address, and which are strangers', who have
/// not shown yet who they are. A stranger that waits makes room for a newer one, the oldest first: whoever takes places
/// and does nothing with them keeps nobody out. Thread-safe.
class place_table
{
public:
    struct bounds
    {
        std::size_t all;
        std::size_t each;      ///< of one address
        std::size_t strangers; ///< of one address
        std::size_t strangers_all = std::numeric_limits<std::size_t>::max();
    };
    enum class crowd
    {
        none,
        all,       ///< too many in all
        address,   ///< too many of this address
        strangers, ///< too many strangers of this address
    };

    /// One place, given back at its end.
    class place
    {
    public:
        place(place_table& of, std::string address, std::function<void()> leave);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place();

        /// No stranger any more.
        void set_known();
        /// Something is being done for it: it is not asked to make room.
        void set_busy(bool busy);
        /// It is another address's than it seemed. Unless there are too many of that one: then it stays where it is.
        crowd move_to(std::string address);
        /// Called, from any thread, when it has to make room.
        void on_leave(std::function<void()> leave);
        /// On the thread that uses it.
        bool is_known() const noexcept { return known_; }
        const std::string& address() const noexcept { return address_; }

    private:
        friend class place_table;
        place_table& table_;
        std::string address_;
        std::function<void()> leave_;
        bool known_ = false;
        bool busy_ = false;
        bool leaving_ = false;
        std::array<std::list<place*>::iterator, 2> at_; ///< among all strangers, and those of its address
    };

    explicit place_table(bounds most) : most_(most) {}

    struct entered
    {
        std::unique_ptr<place> in; ///< none: too many
        crowd why = crowd::none;   ///< also when somebody else made room
    };
    /// A stranger comes. `address` may be empty: then it counts among all alone. `leave` as in place::on_leave().
    entered enter(std::string address, std::function<void()> leave);

    /// Places taken now.
    std::size_t count() const;
    /// True when none is taken any more; false when `limit` has passed.
    bool wait_for_none(std::chrono::milliseconds limit);

private:
    struct address
    {
        std::size_t count = 0;
        std::list<place*> strangers;
    };
    /// What is full for one more of this address, and who could go for it.
    crowd judge(const std::string& of, place*& goes);
    void add(place& one);
    void remove(place& one);
    void remove_stranger(place& one);
    std::function<void()> send_away(place& one);

    const bounds most_;
    mutable std::mutex guard_;
    std::condition_variable changed_;
    std::size_t all_ = 0;
    std::size_t leaving_ = 0;
    std::list<place*> strangers_; ///< the oldest first, as in each address
    std::unordered_map<std::string, address> addresses_;
};

} // namespace consortium
