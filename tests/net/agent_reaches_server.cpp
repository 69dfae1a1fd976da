#include "consortium/net/http_server.hpp" // must not be found: see CMakeLists.txt
