#include "base/host.hpp"
#include <unistd.h>

namespace consortium::agent
{

std::string host_name()
{
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
        return "this machine";
    return name;
}

} // namespace consortium::agent
