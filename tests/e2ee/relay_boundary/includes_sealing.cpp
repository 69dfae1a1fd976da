// Must compile with what the relay may include: shows that the other failure is not for another reason.
#include "consortium/common/box.hpp"
