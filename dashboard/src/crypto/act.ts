// What makes an agent act is signed by a browser (docs/protocol.md 5): prompts, calls, deletions. And the hash that names an ask.
import { type KeyPair, sign, verifySignature } from "./account.ts";
import type { BundleKind, Place } from "./bundle.ts";
import { type Bytes, concat, fromBase64, fromUtf8, len16, toBase64, toHex, utf8, uuidBytes } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { sha256 } from "./hash.ts";

/** The plaintext of a prompt and of a call. Keys and signatures in base64. */
export interface SignedAct {
  /** JSON, exactly as it was signed. */
  readonly text: string;
  readonly device: string;
  readonly signature: string;
}

export type ActKind = Extract<BundleKind, "prompt" | `rpc-request:${string}`>;

export interface ActPlace extends Place {
  readonly kind: ActKind;
}

/**
 * A value as the JSON text of an act. Half a character (a lone surrogate), which JSON could still spell, is replaced:
 * it has no UTF-8, and other readers refuse it.
 */
export function actText(value: unknown): string {
  return JSON.stringify(value).replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (found) => (found === "\\\\" ? found : "\ufffd"));
}

function signedBytes(text: string, { accountId, scope, kind }: ActPlace, bundleId: Uint8Array): Bytes {
  if (bundleId.length !== 16) throw new RangeError("A bundle's id has 16 bytes.");
  return concat(utf8("consortium act 1\n"), uuidBytes(accountId), len16(utf8(scope)), len16(utf8(kind)), bundleId, sha256(utf8(text)));
}

/** `text` comes from actText. */
export function signAct(text: string, place: ActPlace, bundleId: Uint8Array, device: KeyPair): SignedAct {
  return { text, device: toBase64(device.publicKey), signature: toBase64(sign(signedBytes(text, place, bundleId), device.secretKey)) };
}

/** The form alone. Throws bad-format, bad-encoding. */
export function parseAct(plaintext: Uint8Array): SignedAct {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(plaintext));
  } catch {
    throw new CryptoError("bad-format", "It holds no JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new CryptoError("bad-format", "It is not signed.");
  const { text, device, signature } = value as Record<string, unknown>;
  if (typeof text !== "string" || typeof device !== "string" || typeof signature !== "string") throw new CryptoError("bad-format", "It is not signed.");
  if (/\p{Cs}/u.test(text)) throw new CryptoError("bad-format", "It holds half a character.");
  if (fromBase64(device).length !== 32 || fromBase64(signature).length !== 64) throw new CryptoError("bad-format", "It is not signed.");
  return { text, device, signature };
}

/** Whether the device it names signed it for this place. Whether that device may act is not judged here. */
export function verifyAct(act: SignedAct, place: ActPlace, bundleId: Uint8Array): boolean {
  return verifySignature(fromBase64(act.signature), signedBytes(act.text, place, bundleId), fromBase64(act.device));
}

/** What a verdict names: hex SHA-256 of the ask's text. */
export function askHash(ask: string): string {
  return toHex(sha256(utf8(ask)));
}

function deletionBytes(accountId: string, sessionId: string): Bytes {
  return concat(utf8("consortium deletion 1\n"), uuidBytes(accountId), uuidBytes(sessionId));
}

export interface SignedDeletion {
  readonly device: string;
  readonly signature: string;
}

export function signDeletion(accountId: string, sessionId: string, device: KeyPair): SignedDeletion {
  return { device: toBase64(device.publicKey), signature: toBase64(sign(deletionBytes(accountId, sessionId), device.secretKey)) };
}

/** Never throws: what came from the relay and is not a deletion is none. */
export function verifyDeletion({ device, signature }: SignedDeletion, accountId: string, sessionId: string): boolean {
  try {
    return verifySignature(fromBase64(signature), deletionBytes(accountId, sessionId), fromBase64(device));
  } catch (error) {
    if (error instanceof CryptoError) return false;
    throw error;
  }
}
