#include "base/hardening.hpp"
#include <sys/prctl.h>
#include <sys/resource.h>

namespace consortium::agent
{

void close_to_others()
{
    ::prctl(PR_SET_DUMPABLE, 0);
    rlimit core{};
    if (::getrlimit(RLIMIT_CORE, &core) == 0)
    {
        core.rlim_cur = 0;
        ::setrlimit(RLIMIT_CORE, &core);
    }
}

} // namespace consortium::agent
