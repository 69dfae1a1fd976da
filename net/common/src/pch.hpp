// Precompiled for net/: what every file here includes. Asio and Beast are parsed once instead of a dozen times.
#pragma once
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
