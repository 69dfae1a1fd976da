// Deletion receipts: what the relay says, under its log's signature, when a session or an account was deleted (docs/protocol.md).
import { isUuid } from "./bytes.ts";
import { type Checkpoint, decimal, hashOf } from "./checkpoint.ts";
import { CryptoError } from "./errors.ts";
import { type NoteVerifier, openNote } from "./note.ts";

interface Common {
  readonly origin: string;
  /** Of the session or the account. */
  readonly id: string;
  /** The revision that created it, and the one that deleted it. */
  readonly created: number;
  readonly deleted: number;
  readonly time: number;
  /** The log as it was with the deletion in it. */
  readonly checkpoint: Checkpoint;
}
export type Receipt = (Common & { readonly about: "session"; readonly messages: number }) | (Common & { readonly about: "account"; readonly sessions: number; readonly machines: number });

/** Throws bad-format for anything but exactly such a text. */
export function parseReceipt(text: string): Receipt {
  const refuse = () => new CryptoError("bad-format", "Not a deletion receipt.");
  const lines = text.split("\n");
  const take = (pattern: RegExp): string[] => {
    const found = pattern.exec(lines.shift() ?? "");
    if (found === null) throw refuse();
    return found.slice(1);
  };
  const count = (digits: string | undefined): number => {
    const value = decimal(digits);
    if (value === null) throw refuse();
    return value;
  };
  take(/^consortium deletion receipt 1$/);
  const [origin] = take(/^(.+)$/);
  const [about, id] = take(/^(session|account) (.+)$/);
  if (origin === undefined || id === undefined || !isUuid(id)) throw refuse();
  const [first, last] = take(/^revisions (\d+) to (\d+)$/);
  const counted: Pick<Extract<Receipt, { about: "session" }>, "about" | "messages"> | Pick<Extract<Receipt, { about: "account" }>, "about" | "sessions" | "machines"> =
    about === "session"
      ? { about: "session", messages: count(take(/^messages (\d+)$/)[0]) }
      : { about: "account", sessions: count(take(/^sessions (\d+)$/)[0]), machines: count(take(/^machines (\d+)$/)[0]) };
  const [time] = take(/^time (\d+)$/);
  const [size, root] = take(/^checkpoint (\d+) (.+)$/);
  const hash = hashOf(root);
  if (lines.length !== 1 || lines[0] !== "" || hash === null) throw refuse();
  const receipt = { ...counted, origin, id, created: count(first), deleted: count(last), time: count(time), checkpoint: { origin, size: count(size), root: hash } };
  if (receipt.created < 1 || receipt.created > receipt.deleted || (about === "account" && receipt.created !== 1)) throw refuse();
  return receipt;
}

/** Throws as openNote and parseReceipt; not-authentic also when it is of another log than its signer's. */
export function openReceipt(note: string, by: NoteVerifier): Receipt {
  const receipt = parseReceipt(openNote(note, by));
  if (receipt.origin !== by.name) throw new CryptoError("not-authentic", "The receipt is of another log.");
  return receipt;
}
