// A deletion, and what this browser could check of the relay's receipt for it.
import type { DeletionAnswer } from "../api/types.ts";
import { accountDeleted, type CheckedRecord, type Checkpoint, checkRecord, CryptoError, equalBytes, type NoteVerifier, openCheckpoint, openReceipt, type Receipt, sessionDeleted } from "../crypto/index.ts";

export interface Certificate {
  readonly about: "session" | "account";
  readonly id: string;
  readonly title: string;
  readonly at: number;
  /** The receipt as the relay signed it; null when it gave none. */
  readonly note: string | null;
  /** Text form of the pinned key. */
  readonly key: string | null;
  /** What was read in it, once its signature and its record were verified. */
  readonly receipt: Receipt | null;
  /** Its checkpoint extends what was accepted before: null when that could not be asked. */
  readonly extends: boolean | null;
  /** Why it is not shown as verified. */
  readonly problem: string | null;
  /** Everything the relay answered, to be kept. */
  readonly answer: DeletionAnswer;
}

export interface Deletion {
  readonly about: "session" | "account";
  readonly id: string;
  readonly accountId: string;
  readonly title: string;
  readonly at: number;
}

function check(condition: boolean, words: string): asserts condition {
  if (!condition) throw new CryptoError("not-authentic", words);
}

/** Reads and verifies what `answer` claims. Never throws: what does not hold is in `problem`, and then there is no `receipt`. */
export async function certify(deletion: Deletion, answer: DeletionAnswer, by: NoteVerifier | null, keyText: string | null): Promise<Certificate> {
  const { about, id, title, at } = deletion;
  const made = (receipt: Receipt | null, problem: string | null): Certificate => ({
    about, id, title, at, note: typeof answer.receipt === "string" ? answer.receipt : null, key: keyText, receipt, extends: null, problem, answer,
  });
  if (answer.receipt === undefined || answer.proof === undefined) return made(null, "This relay gives no receipts: that it destroyed the key is not under its signature.");
  if (by === null) return made(null, "The receipt could not be checked: this browser knows no key of the relay's log.");
  try {
    const receipt = openReceipt(answer.receipt, by);
    const checkpoint: Checkpoint = openCheckpoint(answer.proof.checkpoint, by);
    const record: CheckedRecord = await checkRecord(answer.proof.record, checkpoint);
    const { header } = record;
    check(receipt.about === about && receipt.id === id, "The receipt is for something else.");
    check(header.type === (about === "session" ? sessionDeleted : accountDeleted), "The record that came with the receipt is no deletion.");
    check(header.stream === id && header.account === deletion.accountId, "The record that came with the receipt is about something else.");
    check(header.revision === receipt.deleted, "Receipt and record name different entries.");
    check(record.index < receipt.checkpoint.size, "The log that the receipt names does not hold the deletion yet.");
    check(receipt.checkpoint.size !== checkpoint.size || equalBytes(receipt.checkpoint.root, checkpoint.root), "Receipt and proof name different logs of one size.");
    return made(receipt, null);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return made(null, `The receipt does not verify. ${error.message}`);
  }
}
