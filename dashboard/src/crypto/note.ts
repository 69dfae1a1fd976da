// C2SP signed notes (https://c2sp.org/signed-note) with Ed25519. The twin of consortium::note in common/checkpoint.hpp.
import { sha256 } from "@noble/hashes/sha2.js";
import { verifySignature } from "./account.ts";
import { type Bytes, concat, equalBytes, fromBase64, owned, toBase64, toHex, utf8 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

/** Who signs: a name and a key. As text: `<name>+<key id, hex>+<base64(0x01 ‖ public key)>`. */
export interface NoteVerifier {
  readonly name: string;
  readonly key: Bytes;
}

const ed25519Algorithm = 0x01;
const signatureMark = "\u2014 "; // em dash, space
const noteCharsMax = 1 << 20;

const isName = (text: string): boolean => /^[\x21-\x2a\x2c-\x7e]+$/.test(text);

/** SHA-256(name ‖ "\n" ‖ 0x01 ‖ key), the first four bytes. */
export function verifierId(by: NoteVerifier): Bytes {
  return owned(sha256(concat(utf8(`${by.name}\n`), Uint8Array.of(ed25519Algorithm), by.key)).subarray(0, 4));
}

export function verifierText(by: NoteVerifier): string {
  return `${by.name}+${toHex(verifierId(by))}+${toBase64(concat(Uint8Array.of(ed25519Algorithm), by.key))}`;
}

/** Throws bad-format for anything but a text form whose key id fits. */
export function parseVerifier(text: string): NoteVerifier {
  const refuse = () => new CryptoError("bad-format", "Not the key of a log.");
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) ?? [];
  if (name === undefined || encoded === undefined || !isName(name)) throw refuse();
  let tagged: Bytes;
  try {
    tagged = fromBase64(encoded);
  } catch {
    throw refuse();
  }
  if (tagged.length !== 33 || tagged[0] !== ed25519Algorithm) throw refuse();
  const by = { name, key: tagged.slice(1) };
  if (toHex(verifierId(by)) !== id) throw refuse();
  return by;
}

/**
 * The text of a note that `by` signed; signatures of others are passed over.
 * Throws bad-format when it is no signed note, not-authentic when `by` did not sign it or the signature does not fit.
 */
export function openNote(note: string, by: NoteVerifier): string {
  const refuse = () => new CryptoError("bad-format", "Not a signed note.");
  if (note.length > noteCharsMax || /[\x00-\x09\x0b-\x1f]/.test(note) || /\p{Surrogate}/u.test(note) || !note.endsWith("\n")) throw refuse();
  // The signatures stand behind the last blank line.
  const blank = note.lastIndexOf("\n\n");
  if (blank < 0) throw refuse();
  const text = note.slice(0, blank + 1);
  const lines = note.slice(blank + 2, -1).split("\n");
  const id = verifierId(by);
  for (const line of lines) {
    if (!line.startsWith(signatureMark)) throw refuse();
    const [, name, encoded] = /^([^ ]*) (.*)$/.exec(line.slice(signatureMark.length)) ?? [];
    if (name === undefined || encoded === undefined || !isName(name)) throw refuse();
    let signature: Bytes;
    try {
      signature = fromBase64(encoded);
    } catch {
      throw refuse();
    }
    if (signature.length < id.length + 1) throw refuse();
    if (name !== by.name || !equalBytes(signature.subarray(0, id.length), id)) continue;
    if (!verifySignature(signature.subarray(id.length), utf8(text), by.key)) throw new CryptoError("not-authentic", "The signature does not fit what it is under.");
    return text;
  }
  throw new CryptoError("not-authentic", `It is not signed by ${by.name}.`);
}
