#pragma once

namespace consortium::agent
{

/// Before any secret is read: no other process of this user may look into this one, and nothing of it is written to
/// disk when it breaks down. What it starts is not bound by that: the first ends with exec, the second is a soft limit.
void close_to_others();

} // namespace consortium::agent
