// Data keys of sessions and machines, wrapped to the account's content key: base64(0x00 ‖ box bundle).
import { type BoxRandomness, openBox, sealBox } from "./box.ts";
import { type Bytes, concat, fromBase64, toBase64 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

export function wrapDataKey(dataKey: Uint8Array, contentPublicKey: Uint8Array, randomness?: BoxRandomness): string {
  return toBase64(concat(Uint8Array.of(0), sealBox(dataKey, contentPublicKey, randomness)));
}

/** Throws bad-version on another first byte, bad-format when it is not a key, not-authentic when it is not for us. */
export function unwrapDataKey(wrapped: string, contentSecretKey: Uint8Array): Bytes {
  const bytes = fromBase64(wrapped);
  if (bytes[0] !== 0) throw new CryptoError("bad-version", "A data key is wrapped in a way this version does not know.");
  const key = openBox(bytes.subarray(1), contentSecretKey);
  if (key.length !== 32) throw new CryptoError("bad-format", "A data key has the wrong length.");
  return key;
}

/** A name (of a device) sealed to the content key: base64 of a box bundle of its UTF-8. */
export function sealName(nameUtf8: Uint8Array, contentPublicKey: Uint8Array): string {
  return toBase64(sealBox(nameUtf8, contentPublicKey));
}

export function openName(sealedName: string, contentSecretKey: Uint8Array): Bytes {
  return openBox(fromBase64(sealedName), contentSecretKey);
}
