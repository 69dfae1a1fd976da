#pragma once
#include "rocks_store.hpp"
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

/// Where a data key lies, before and after it was destroyed.
namespace consortium::log::testing
{

/// The wrapped data keys in the key ring.
inline std::set<std::string> wrapped_keys(const rocks_store& store)
{
    std::set<std::string> out;
    const std::unique_ptr<rocksdb::Iterator> row(store.db().NewIterator({}, store.keys()));
    for (row->SeekToFirst(); row->Valid(); row->Next())
        if (row->key().starts_with("d") && row->value()[0] == 1)
            out.insert(row->value().ToString());
    return out;
}

/// Files below the directory that hold the bytes.
inline std::vector<std::string> files_with(const std::filesystem::path& directory, const std::string& needle)
{
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    {
        if (!entry.is_regular_file())
            continue;
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string content{std::istreambuf_iterator<char>(file), {}};
        if (content.find(needle) != std::string::npos)
            out.push_back(entry.path().filename());
    }
    return out;
}

} // namespace consortium::log::testing
