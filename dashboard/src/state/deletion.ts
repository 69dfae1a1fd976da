// A deletion, and what this browser could check of the relay's receipt for it.
import { ApiError } from "../api/http.ts";
import type { DeletionAnswer } from "../api/types.ts";
import {
  accountDeleted,
  type Bytes,
  type CheckedRecord,
  type Checkpoint,
  checkRecord,
  CryptoError,
  emptyRoot,
  equalBytes,
  nodeHash,
  type NoteVerifier,
  openCheckpoint,
  openReceipt,
  parseProof,
  parseVerifier,
  type Receipt,
  sessionDeletions,
} from "../crypto/index.ts";
import type { LogWatch } from "./logwatch.ts";
import { Refuted } from "./proofs.ts";

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

/** What this browser knows of the relay's log. */
export interface Trusted {
  readonly by: NoteVerifier | null;
  readonly keyText: string | null;
  /** The newest checkpoint that was accepted. */
  readonly accepted: Checkpoint | null;
}

export async function trusted(watch: LogWatch): Promise<Trusted> {
  const pin = await watch.pin();
  if (pin === null) return { by: null, keyText: null, accepted: null };
  const by = parseVerifier(pin.key);
  return { by, keyText: pin.key, accepted: pin.checkpoint === null ? null : openCheckpoint(pin.checkpoint, by) };
}

/** As certify; while the account lives, the relay is also asked to prove that the receipt's log extends the accepted one. */
export async function certifyWatched(deletion: Deletion, answer: DeletionAnswer, watch: LogWatch): Promise<Certificate> {
  const certificate = await certify(deletion, answer, { ...(await trusted(watch)), accepted: null });
  if (certificate.receipt === null) return certificate;
  try {
    return { ...certificate, extends: (await watch.confirm(certificate.receipt.checkpoint)) || null };
  } catch (error) {
    if (error instanceof Refuted) return { ...certificate, extends: false, receipt: null, problem: `The receipt does not verify. ${error.message}` };
    if (error instanceof ApiError) return certificate;
    throw error;
  }
}

function check(condition: boolean, words: string): asserts condition {
  if (!condition) throw new CryptoError("not-authentic", words);
}

/**
 * The root of the tree before its last leaf was added, from that leaf's path: all its siblings stand to the left, and they are
 * the perfect subtrees of the smaller tree.
 */
function rootBefore(path: readonly Bytes[]): Bytes {
  return path.slice(1).reduce((root, left) => nodeHash(left, root), path[0] ?? emptyRoot());
}

/**
 * Reads and verifies what `answer` claims. The deletion's log is compared with the one accepted before when nothing but the deletion
 * came after it. Never throws: what does not hold is in `problem`, and then there is no `receipt`.
 */
export async function certify(deletion: Deletion, answer: DeletionAnswer, { by, keyText, accepted }: Trusted): Promise<Certificate> {
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
    check(about === "session" ? sessionDeletions.includes(header.type) : header.type === accountDeleted, "The record that came with the receipt is no deletion.");
    check(header.stream === id && header.account === deletion.accountId, "The record that came with the receipt is about something else.");
    check(header.revision === receipt.deleted && header.time === receipt.time, "Receipt and record name different entries.");
    check(record.index < receipt.checkpoint.size, "The log that the receipt names does not hold the deletion yet.");
    check(receipt.checkpoint.size !== checkpoint.size || equalBytes(receipt.checkpoint.root, checkpoint.root), "Receipt and proof name different logs of one size.");
    if (accepted === null || record.index !== accepted.size || checkpoint.size !== accepted.size + 1) return made(receipt, null);
    check(equalBytes(rootBefore(parseProof(answer.proof.record.path)), accepted.root), "The deletion is in another log than the one this browser accepted.");
    return { ...made(receipt, null), extends: true };
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    return made(null, `The receipt does not verify. ${error.message}`);
  }
}
