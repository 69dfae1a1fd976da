#include "assets.hpp"
#include "auth/origins.hpp"
#include "consortium/common/base64.hpp"
#include "consortium/common/hash.hpp"
#include <array>

namespace consortium::relay
{
namespace
{

/// What the page may do. Its WebSocket goes to the relay and nowhere else: not every browser takes 'self' for that, so
/// the relay is named, as this request names it and as --public-url does.
std::string policy(std::string_view host, std::span<const std::string> public_authorities)
{
    std::string out =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'";
    const auto add = [&](std::string_view authority)
    {
        for (const std::string_view scheme : {" ws://", " wss://"})
            out.append(scheme).append(authority);
    };
    // What is no authority could end the directive.
    if (is_authority(host))
        add(host);
    for (const auto& authority : public_authorities)
        if (authority != host)
            add(authority);
    return out + "; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'";
}

std::string_view content_type(std::string_view path)
{
    struct kind
    {
        std::string_view ending;
        std::string_view type;
    };
    constexpr kind kinds[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".woff", "font/woff"},
        {".wasm", "application/wasm"},
        {".txt", "text/plain; charset=utf-8"},
        {".mp3", "audio/mpeg"},
        {".wav", "audio/wav"},
    };
    for (const auto& [ending, type] : kinds)
        if (path.ends_with(ending))
            return type;
    return "application/octet-stream";
}

/// Whether a path without a file may be a page that the app shows: not one of the API's, and no file name.
bool may_be_page(std::string_view path)
{
    for (const std::string_view api : {"/v1", "/v2", "/v3", "/health", "/ready", "/metrics"})
        if (path == api || (path.starts_with(api) && path.size() > api.size() && path[api.size()] == '/'))
            return false;
    return path.substr(path.rfind('/') + 1).find('.') == std::string_view::npos;
}

bool accepts_html(const net::http_request& request)
{
    const auto accept = request.header("Accept");
    return !accept || accept->find("text/html") != std::string_view::npos ||
           accept->find("*/*") != std::string_view::npos;
}

} // namespace

asset_store::asset_store(std::span<const embedded_file> files, std::vector<std::string> public_authorities)
    : public_authorities_(std::move(public_authorities))
{
    for (const auto& file : files)
        files_.emplace(
            file.path, entry{
                           .file = file,
                           .tag = "\"" + base64url_encode(byte_view(sha256({view(file.content)})).first(12)) + "\"",
                           // The build puts a hash of the content into these names.
                           .immutable = file.path.starts_with("/assets/")});
}

net::http_response asset_store::answer(const entry& found, const net::http_request& request) const
{
    const bool page = found.file.path == "/index.html";
    auto out = net::http_response::with(200, content_type(found.file.path), found.file.content);
    out.headers.set("ETag", found.tag);
    out.headers.set("Cache-Control", found.immutable ? "public, max-age=31536000, immutable" : "no-cache");
    out.headers.set("X-Content-Type-Options", "nosniff");
    out.headers.set("Referrer-Policy", "no-referrer");
    if (page)
    {
        out.headers.set(
            "Content-Security-Policy",
            policy(request.header("Host").value_or(std::string_view()), public_authorities_));
        out.headers.set("Cross-Origin-Opener-Policy", "same-origin");
        // The camera reads pairing codes; nothing else is needed of the browser.
        out.headers.set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()");
    }
    if (const auto known = request.header("If-None-Match"); known && known->find(found.tag) != std::string_view::npos)
    {
        out.status = 304;
        out.body = std::string_view();
        return out;
    }
    if (!found.file.gzip.empty())
    {
        out.headers.set("Vary", "Accept-Encoding");
        const auto accepted = request.header("Accept-Encoding");
        if (accepted && accepted->find("gzip") != std::string_view::npos)
        {
            out.headers.set("Content-Encoding", "gzip");
            out.body = found.file.gzip;
        }
    }
    return out;
}

std::optional<net::http_response> asset_store::find(const net::http_request& request) const
{
    if (const auto file = files_.find(request.path); file != files_.end() && file->first != "/index.html")
        return answer(file->second, request);
    const auto page = files_.find("/index.html");
    if (page == files_.end() || !may_be_page(request.path) || !accepts_html(request))
        return std::nullopt;
    return answer(page->second, request);
}

} // namespace consortium::relay
