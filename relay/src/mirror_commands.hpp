#pragma once
#include "consortium/postgres/mirror.hpp"
#include "control_server.hpp"

namespace consortium::relay
{

/// What consortium-admin may ask about the mirror, which must outlive them. Without one each command says so.
control_commands make_mirror_commands(postgres::mirror* mirror);

} // namespace consortium::relay
