// Must not compile with what the relay may include.
#include "consortium/e2ee/bundle.hpp"
