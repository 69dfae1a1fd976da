#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace consortium::net
{

/// Errors: errc::bad_request, one line that names the file.
result<std::shared_ptr<boost::asio::ssl::context>>
make_server_tls(const std::string& certificate_file, const std::string& key_file);

} // namespace consortium::net
