#include "consortium/e2ee/bundle.hpp" // must not be found: see CMakeLists.txt
