// Judging what the relay answers about its log. Pure: what was accepted before goes in, what may be accepted now comes out.
import type { CheckpointAnswer, ProofAnswer } from "../api/types.ts";
import {
  bodyHolds,
  type CheckedRecord,
  type Checkpoint,
  checkRecord,
  CryptoError,
  equalBytes,
  messageAppended,
  type NoteVerifier,
  openCheckpoint,
  parseProof,
  verifyConsistency,
  type WireRecord,
} from "../crypto/index.ts";
import type { AlarmKind } from "./logmemory.ts";

/** The relay contradicts itself, or what this browser accepted before. */
export class Refuted extends Error {
  readonly kind: AlarmKind;
  readonly evidence: unknown;

  constructor(kind: AlarmKind, message: string, evidence: unknown = null) {
    super(message);
    this.name = "Refuted";
    this.kind = kind;
    this.evidence = evidence;
  }
}

/** A message as it was shown here: what the log must hold under its revision. */
export interface Shown {
  readonly revision: number;
  readonly sid: string;
  readonly seq: number;
  readonly at: number;
  readonly bundle: string;
}

const n = (value: number): string => value.toLocaleString("en");

/** The checkpoint of `answer`, if it is signed by the pinned key and extends `last`. Throws Refuted. */
export function acceptCheckpoint(answer: CheckpointAnswer, by: NoteVerifier, last: Checkpoint | null): Checkpoint {
  let now: Checkpoint;
  try {
    now = openCheckpoint(answer.checkpoint, by);
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new Refuted("signature", `The log's state is not signed by the key this browser pinned. ${error.message}`, answer);
  }
  if (last !== null) checkExtends(last, now, answer.consistency, answer);
  return now;
}

/** Throws Refuted unless the tree of `before` is proved to be the beginning of the one of `after`. */
export function checkExtends(before: Checkpoint, after: Checkpoint, consistency: unknown, evidence: unknown): void {
  if (after.size < before.size) {
    throw new Refuted("shorter", `The relay's log got shorter: this browser accepted ${n(before.size)} records, now it is said to have ${n(after.size)}.`, evidence);
  }
  if (after.size === before.size) {
    if (equalBytes(after.root, before.root)) return;
    throw new Refuted("history", `The relay signed two different logs of ${n(after.size)} records.`, evidence);
  }
  let proved = false;
  try {
    proved = verifyConsistency(before.size, after.size, before.root, after.root, parseProof(consistency));
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
  if (!proved) {
    throw new Refuted("history", `The relay's log of ${n(after.size)} records does not begin with the ${n(before.size)} this browser accepted before.`, evidence);
  }
}

/** Throws Refuted unless `record` is in the tree of `under` and is entry `revision` of this account. */
export async function acceptRecord(record: WireRecord, revision: number, accountId: string, under: Checkpoint): Promise<CheckedRecord> {
  try {
    const checked = await checkRecord(record, under);
    if (checked.header.revision !== revision) throw new CryptoError("not-authentic", `What came for entry #${n(revision)} is another entry.`);
    if (checked.header.account !== accountId) throw new CryptoError("not-authentic", `What came for entry #${n(revision)} is of another account.`);
    return checked;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    throw new Refuted("entry", `Entry #${n(revision)} is not proved. ${error.message}`, record);
  }
}

export interface Place {
  readonly revision: number;
  readonly index: number;
  readonly time: number;
}

/** Entries `first`, `first + 1` … of an account, each behind the one before. Throws Refuted. */
export async function acceptRow(answer: ProofAnswer, first: number, accountId: string, under: Checkpoint, before: Place | null): Promise<CheckedRecord[]> {
  const out: CheckedRecord[] = [];
  let last = before;
  for (const [i, record] of answer.records.entries()) {
    const checked = await acceptRecord(record, first + i, accountId, under);
    if (last !== null && (checked.index <= last.index || checked.header.time < last.time)) {
      throw new Refuted("entry", `Entry #${n(first + i)} does not stand behind #${n(last.revision)} in the log.`, record);
    }
    last = { revision: first + i, index: checked.index, time: checked.header.time };
    out.push(checked);
  }
  return out;
}

/** Whether the log holds what was shown. Null: the record's key is destroyed, nothing can be compared. Throws Refuted. */
export function compare(shown: Shown, record: CheckedRecord, evidence: unknown): boolean | null {
  const { header, body } = record;
  const refuse = (what: string) => new Refuted("shown", `Entry #${n(shown.revision)} was shown here, but the log has ${what} under that number.`, evidence);
  if (header.type !== messageAppended) throw refuse("something that is no message");
  if (header.stream !== shown.sid) throw refuse("a message of another session");
  if (header.seq !== shown.seq) throw refuse(`number ${n(header.seq)} of the session, not ${n(shown.seq)},`);
  if (header.time !== shown.at) throw refuse("a message of another time");
  if (body === null) return null;
  if (!bodyHolds(body, shown.bundle)) throw refuse("another content");
  return true;
}

/** Joins revisions into requests of at most `countMax` records, leaving out gaps of more than `gapMax`. */
export function ranges(revisions: readonly number[], countMax = 100, gapMax = 8): { first: number; count: number }[] {
  const out: { first: number; count: number }[] = [];
  for (const revision of [...new Set(revisions)].sort((a, b) => a - b)) {
    const last = out.at(-1);
    if (last !== undefined && revision - last.first < countMax && revision - (last.first + last.count) < gapMax) last.count = revision - last.first + 1;
    else out.push({ first: revision, count: 1 });
  }
  return out;
}
