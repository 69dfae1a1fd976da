#pragma once
#include "consortium/common/error.hpp"
#include "consortium/common/ids.hpp"
#include "consortium/log/event_log.hpp"
#include <functional>
#include <optional>
#include <string>

/// The last resort for a log that is refused because its witness is lost, or says that more was acknowledged than there
/// is: docs/log-format.md, "Adoption".
namespace consortium::log
{

struct adoption
{
    log_id before;
    log_id after;     ///< the log's id from then on
    lsn head;         ///< the newest record there is; all before it are there too
    unix_millis time; ///< of it; 0 for an empty log
    /// What was acknowledged; empty: the witness is lost, and whether anything is missing cannot be told.
    std::optional<lsn> witness;
    std::string why;    ///< the witness is lost
    bool begun = false; ///< before, and did not come to its end

    std::uint64_t missing() const noexcept { return witness && *witness > head ? witness->value - head.value : 0; }
};

/// Looks at what is left, changes nothing, and asks. Once `agree` returns no error, what is left becomes the log, under
/// a new id: clients read everything anew, and earlier checkpoints are of another log. Records stay as they are. Ended
/// at any moment, it can be done again, and until it is nothing is served.
/// Errors: what `agree` returned; errc::conflict: the log reaches its witness, there is nothing to adopt;
/// errc::corrupt: other damage, which adopting does not mend; those of open_log.
using consent = std::function<result<void>(const adoption&)>;
result<adoption> adopt_log(const log_options& options, const domain& rules, const consent& agree);

} // namespace consortium::log
