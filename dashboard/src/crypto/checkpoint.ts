// What a relay says of its log at one moment: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) in a signed note.
// The twin of consortium::checkpoint in common/checkpoint.hpp.
import { type Bytes, fromBase64 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { type NoteVerifier, openNote } from "./note.ts";

export interface Checkpoint {
  /** Names the log; also the signer's name. */
  readonly origin: string;
  /** Records in the log, of everybody. */
  readonly size: number;
  readonly root: Bytes;
}

/** A number as it is written once: no sign, no leading zeros. Null for anything else, and for what JavaScript cannot count to. */
export function decimal(text: string | undefined): number | null {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** 32 bytes in base64, or null. */
export function hashOf(text: string | undefined): Bytes | null {
  try {
    const hash = fromBase64(text ?? "");
    return hash.length === 32 ? hash : null;
  } catch {
    return null;
  }
}

/** Throws bad-format unless it is exactly such a text; extension lines behind the three are passed over. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin] = lines;
  const size = decimal(lines[1]);
  const root = hashOf(lines[2]);
  if (lines.length < 4 || origin === undefined || origin === "" || size === null || root === null) {
    throw new CryptoError("bad-format", "Not a checkpoint.");
  }
  return { origin, size, root };
}

/** Throws as openNote; not-authentic also when the origin is not the signer's name. */
export function openCheckpoint(note: string, by: NoteVerifier): Checkpoint {
  const checkpoint = parseCheckpoint(openNote(note, by));
  if (checkpoint.origin !== by.name) throw new CryptoError("not-authentic", "The checkpoint is of another log.");
  return checkpoint;
}
