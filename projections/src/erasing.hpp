#pragma once
#include "rows.hpp"

/// What deletions erase. They walk the descriptions of the tables, so that a table cannot be forgotten. A replay finds
/// the same rows: keys and rows lead to all of them, never a body.
namespace consortium::projections
{

/// `key` is that of the session's row, which must be there.
void erase_session(log::view_writer& rows, const row_key& key);
/// `key` is that of the machine's row, which must be there.
void erase_machine(log::view_writer& rows, const row_key& key);
/// Sessions and machines too. `account` is its account_part.
void erase_account(log::view_writer& rows, const byte_array<16>& account);

} // namespace consortium::projections
