#include "tls.hpp"
#include <openssl/ssl.h>

namespace consortium::net
{
namespace ssl = boost::asio::ssl;

result<std::shared_ptr<ssl::context>> make_client_tls(const std::string& extra_ca_file)
{
    auto out = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(out->native_handle(), TLS1_2_VERSION);
    boost::system::error_code failed;
    out->set_default_verify_paths(failed);
    if (!extra_ca_file.empty())
    {
        out->load_verify_file(extra_ca_file, failed);
        if (failed)
            return fail(errc::bad_request, "cannot use the certificates of " + extra_ca_file + ": " + failed.message());
    }
    out->set_verify_mode(ssl::verify_peer, failed);
    return out;
}

} // namespace consortium::net
