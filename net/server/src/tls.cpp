#include "tls.hpp"
#include <openssl/ssl.h>

namespace consortium::net
{
namespace ssl = boost::asio::ssl;

result<std::shared_ptr<ssl::context>> make_server_tls(const std::string& certificate_file, const std::string& key_file)
{
    auto out = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX_set_min_proto_version(out->native_handle(), TLS1_2_VERSION);
    boost::system::error_code failed;
    out->use_certificate_chain_file(certificate_file, failed);
    if (failed)
        return fail(errc::bad_request, "cannot use the certificate " + certificate_file + ": " + failed.message());
    out->use_private_key_file(key_file, ssl::context::pem, failed);
    if (failed)
        return fail(errc::bad_request, "cannot use the private key " + key_file + ": " + failed.message());
    if (SSL_CTX_check_private_key(out->native_handle()) != 1)
        return fail(errc::bad_request, "the private key " + key_file + " is not that of " + certificate_file);
    return out;
}

} // namespace consortium::net
