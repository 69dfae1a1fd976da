// One record of the log, with what proves that it is in it (docs/log-format.md "Records", docs/protocol.md).
import { type Bytes, concat, fromBase64, owned, toHex, uuidText } from "./bytes.ts";
import { type Checkpoint, hashOf } from "./checkpoint.ts";
import { CryptoError } from "./errors.ts";
import { hmacSha256 } from "./hash.ts";
import { leafHash, verifyInclusion } from "./merkle.ts";

/** As the relay sends it; bytes are base64. */
export interface WireRecord {
  readonly revision: number;
  /** Of the leaf: lsn - 1. */
  readonly index: number;
  readonly header: string;
  readonly headerKey: string;
  /** Null once the key of the body is destroyed. */
  readonly body: string | null;
  readonly bodyKey: string | null;
  readonly bodyCommitment: string;
  readonly path: readonly string[];
}

/** Numbered for ever (event_type in log/include/consortium/log/event.hpp). */
export const eventNames: Readonly<Record<number, string>> = {
  1: "account created",
  2: "device added, unstated",
  3: "session created",
  4: "message",
  5: "session described",
  6: "agent state",
  7: "session ended",
  8: "session deleted",
  9: "machine registered",
  10: "machine described",
  11: "daemon state",
  12: "machine online",
  13: "machine offline",
  14: "machine removed",
  15: "device renamed",
  16: "device revoked, unstated",
  17: "pairing approved",
  18: "account deleted",
  19: "session resumed",
  20: "device added",
  21: "device revoked",
  22: "device signed out",
  23: "session deleted",
};
export const messageAppended = 4;
/** A bare one, and one that a browser signed. */
export const sessionDeletions: readonly number[] = [8, 23];
export const accountDeleted = 18;

/** The part of a record that outlives its key. Ids as UUID text. */
export interface RecordHeader {
  readonly type: number;
  readonly account: string;
  /** The session, machine, device or account it is about. */
  readonly stream: string;
  readonly revision: number;
  /** Of a message in its session, else 0. */
  readonly seq: number;
  /** ms since the Unix epoch. */
  readonly time: number;
  readonly bodyBytes: number;
}

export interface CheckedRecord {
  readonly header: RecordHeader;
  readonly index: number;
  readonly leaf: Bytes;
  /** Null: its key is destroyed. */
  readonly body: Bytes | null;
}

const headerBytes = 62;

function counted(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new CryptoError("bad-format", "A number in a record is out of range.");
  return Number(value);
}

/** type u16le ‖ account[16] ‖ stream[16] ‖ revision u64le ‖ seq u64le ‖ time i64le ‖ body size u32le. Throws bad-format. */
export function parseRecordHeader(bytes: Uint8Array): RecordHeader {
  if (bytes.length !== headerBytes) throw new CryptoError("bad-format", "A record's header has 62 bytes.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    type: view.getUint16(0, true),
    account: uuidText(bytes.subarray(2, 18)),
    stream: uuidText(bytes.subarray(18, 34)),
    revision: counted(view.getBigUint64(34, true)),
    seq: counted(view.getBigUint64(42, true)),
    time: counted(view.getBigInt64(50, true)),
    bodyBytes: view.getUint32(58, true),
  };
}

function bytesOf(value: unknown, what: string): Bytes {
  if (typeof value !== "string") throw new CryptoError("bad-format", `A record without ${what}.`);
  return fromBase64(value);
}

/** Hashes in base64, as proofs travel. Throws bad-format. */
export function parseProof(value: unknown): Bytes[] {
  if (!Array.isArray(value)) throw new CryptoError("bad-format", "A proof is a list of hashes.");
  return value.map((text: unknown) => {
    const hash = typeof text === "string" ? hashOf(text) : null;
    if (hash === null) throw new CryptoError("bad-format", "A proof holds something that is no hash.");
    return hash;
  });
}

/**
 * Recomputes a record's commitments and its leaf, and that the leaf is in the tree of `under`. What the header says is then
 * what the log holds; whether it is what was expected is for the caller to compare. Throws bad-encoding, bad-format, not-authentic.
 */
export async function checkRecord(wire: WireRecord, under: Checkpoint): Promise<CheckedRecord> {
  const image = bytesOf(wire.header, "a header");
  const header = parseRecordHeader(image);
  if (header.revision !== wire.revision) throw new CryptoError("not-authentic", `What came as entry ${wire.revision} is entry ${header.revision}.`);
  const headerKey = bytesOf(wire.headerKey, "a header key");
  const claimed = bytesOf(wire.bodyCommitment, "a body commitment");
  // Keys of another length could stand for two (HMAC pads and hashes them).
  if (headerKey.length !== 32 || claimed.length !== 32) throw new CryptoError("bad-format", "A record's keys have 32 bytes.");

  let body: Bytes | null = null;
  let bodyCommitment = claimed;
  if (wire.body !== null) {
    body = bytesOf(wire.body, "a body");
    const bodyKey = bytesOf(wire.bodyKey, "a body key");
    if (bodyKey.length !== 32) throw new CryptoError("bad-format", "A record's keys have 32 bytes.");
    if (body.length !== header.bodyBytes) throw new CryptoError("not-authentic", "A record's body is not as large as its header says.");
    bodyCommitment = await hmacSha256(bodyKey, body);
    if (toHex(bodyCommitment) !== toHex(claimed)) throw new CryptoError("not-authentic", "A record's body is not what the log committed to.");
  }
  const leaf = leafHash(await hmacSha256(headerKey, image), bodyCommitment);
  if (!verifyInclusion(leaf, wire.index, under.size, parseProof(wire.path), under.root)) {
    throw new CryptoError("not-authentic", `Entry ${header.revision} is not in the log that the relay signed.`);
  }
  return { header, index: wire.index, leaf, body };
}

/** Whether `body` holds what `bundle` is the base64 of (or, for a text that is not canonical base64, the text itself). */
export function bodyHolds(body: Uint8Array, bundle: string): boolean {
  let wanted: Uint8Array;
  try {
    wanted = fromBase64(bundle);
  } catch {
    wanted = new TextEncoder().encode(bundle);
  }
  const [first] = wanted;
  if (first === undefined) return false;
  for (let at = body.indexOf(first); at >= 0 && at + wanted.length <= body.length; at = body.indexOf(first, at + 1)) {
    let same = 1;
    while (same < wanted.length && body[at + same] === wanted[same]) same += 1;
    if (same === wanted.length) return true;
  }
  return false;
}

/** For tests and for those who make records: the header's 62 bytes. */
export function writeRecordHeader(header: RecordHeader): Bytes {
  const numbers = new DataView(new ArrayBuffer(28));
  numbers.setBigUint64(0, BigInt(header.revision), true);
  numbers.setBigUint64(8, BigInt(header.seq), true);
  numbers.setBigInt64(16, BigInt(header.time), true);
  numbers.setUint32(24, header.bodyBytes, true);
  const id = (text: string) => Uint8Array.from(text.replaceAll("-", "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return owned(concat(Uint8Array.of(header.type & 0xff, header.type >> 8), id(header.account), id(header.stream), new Uint8Array(numbers.buffer)));
}
