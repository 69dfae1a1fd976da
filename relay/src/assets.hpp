#pragma once
#include "consortium/net/http.hpp"
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// The dashboard, as it lies in the program.
namespace consortium::relay
{

struct embedded_file
{
    std::string_view path; ///< "/assets/index-abc123.js"
    std::string_view content;
    std::string_view gzip; ///< empty: not worth it
};
/// Made by relay/cmake/EmbedAssets.cmake from the dashboard's production build.
std::span<const embedded_file> embedded_files();

class asset_store
{
public:
    /// `public_authorities`: where else than at the `Host` of its requests the page is.
    explicit asset_store(std::span<const embedded_file> files, std::vector<std::string> public_authorities = {});

    /// The answer to a GET or HEAD of a file, or of a page of the app (any path that is no file's and no API's). Empty:
    /// there is nothing there.
    std::optional<net::http_response> find(const net::http_request& request) const;

private:
    struct entry
    {
        embedded_file file;
        std::string tag;
        bool immutable = false;
    };
    net::http_response answer(const entry& found, const net::http_request& request) const;

    std::vector<std::string> public_authorities_;
    std::unordered_map<std::string_view, entry> files_;
};

} // namespace consortium::relay
