#pragma once
#include "consortium/common/error.hpp"
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace consortium::net
{

/// Trusts the system's authorities and those of `extra_ca_file` (when not empty).
result<std::shared_ptr<boost::asio::ssl::context>> make_client_tls(const std::string& extra_ca_file);

} // namespace consortium::net
