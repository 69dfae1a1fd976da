#include "consortium/net/http_client.hpp" // must not be found: see CMakeLists.txt
