#include "commands/receipt.hpp"
#include "claims.hpp"
#include "consortium/common/printable.hpp"
#include "consortium/protocol/v1/receipt.hpp"
#include <iostream>

namespace consortium::admin
{
namespace
{

using protocol::v1::deleted_account;
using protocol::v1::deleted_session;
using protocol::v1::deletion_receipt;

void print(const deletion_receipt& receipt)
{
    if (const auto* session = std::get_if<deleted_session>(&receipt.what))
        std::cout << "deleted    session " << to_string(session->id) << "\n"
                  << "with       " << count_text(session->messages, "message") << "\n";
    else
    {
        const auto& account = std::get<deleted_account>(receipt.what);
        std::cout << "deleted    account " << to_string(account.id) << "\n"
                  << "with       " << count_text(account.sessions, "session") << " and "
                  << count_text(account.machines, "machine") << "\n";
    }
    std::cout << "revisions  " << receipt.created << " to " << receipt.deleted << "\n"
              << "time       " << utc_text(receipt.time) << "\n"
              << "log        " << receipt.head.origin << "\n"
              << "tree       of " << count_text(receipt.head.size, "record") << "\n";
}

exit_code give_up(const error& why)
{
    print_error(why, /*json=*/false);
    return why.code == errc::corrupt || why.code == errc::bad_request ? exit_code::findings : exit_code::unreadable;
}

} // namespace

exit_code check_receipt(const receipt_options& options)
{
    const auto note = read_note(options.file);
    if (!note)
        return give_up({errc::io, note.error().detail, {}});
    std::unique_ptr<log::log_reader> source;
    result<note::verifier> key = fail(errc::bad_request, {});
    if (options.key.empty())
    {
        auto opened = open_source(options.source);
        if (!opened)
            return give_up({errc::io, opened.error().detail, {}});
        source = std::move(*opened);
        key = source->checkpoint_key();
    }
    else
        key = note::verifier::parse(options.key);
    if (!key)
        return give_up({errc::io, "--key: " + printable(key.error().detail), {}});

    const auto receipt = protocol::v1::open_receipt(*note, source ? signer_of(*note, *key) : *key);
    if (!receipt)
        return give_up({receipt.error().code, "not a receipt of this log: " + printable(receipt.error().detail), {}});
    print(*receipt);
    if (source)
    {
        const auto contradiction = find_contradiction(*source, receipt->head);
        if (!contradiction)
            return give_up(contradiction.error());
        if (*contradiction)
        {
            std::cout << "\nSigned by the log's key, but the log contradicts it: " << **contradiction << ".\n";
            return exit_code::findings;
        }
    }
    std::cout << "\nGenuine: signed by " << (source ? "the log's key, and the log holds the tree it names" : "that key")
              << ".\nIt is the relay's word that the key was destroyed, not a proof that no copy of it exists "
                 "anywhere.\n";
    return exit_code::sound;
}

} // namespace consortium::admin
