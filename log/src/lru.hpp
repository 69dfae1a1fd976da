#pragma once
#include <list>
#include <unordered_map>
#include <utility>

namespace consortium::log
{

/// Forgets what was not used for longest. Not thread-safe.
template <class Key, class Value, class Hash, class Equal = std::equal_to<>>
class lru
{
public:
    explicit lru(std::size_t weight_max) : weight_max_(weight_max) {}

    /// Valid until the next change; nullptr if unknown.
    template <class Like>
    Value* find(const Like& key)
    {
        const auto found = index_.find(key);
        if (found == index_.end())
            return nullptr;
        order_.splice(order_.begin(), order_, found->second);
        return &found->second->value;
    }

    void put(Key key, Value value, std::size_t weight = 1)
    {
        erase(key);
        order_.push_front({key, std::move(value), weight});
        index_.emplace(std::move(key), order_.begin());
        weight_ += weight;
        while (weight_ > weight_max_ && order_.size() > 1)
        {
            weight_ -= order_.back().weight;
            index_.erase(index_.find(order_.back().key));
            order_.pop_back();
        }
    }

    template <class Like>
    bool erase(const Like& key)
    {
        const auto found = index_.find(key);
        if (found == index_.end())
            return false;
        weight_ -= found->second->weight;
        order_.erase(found->second);
        index_.erase(found);
        return true;
    }

    /// Forgets every entry whose key `is_gone` says is gone.
    void erase_if(auto&& is_gone)
    {
        for (auto one = order_.begin(); one != order_.end();)
            if (is_gone(std::as_const(one->key)))
            {
                weight_ -= one->weight;
                index_.erase(one->key);
                one = order_.erase(one);
            }
            else
                ++one;
    }

    std::size_t size() const noexcept { return order_.size(); }

private:
    struct entry
    {
        Key key;
        Value value;
        std::size_t weight;
    };
    std::list<entry> order_;
    std::unordered_map<Key, typename std::list<entry>::iterator, Hash, Equal> index_;
    std::size_t weight_ = 0;
    std::size_t weight_max_;
};

} // namespace consortium::log
