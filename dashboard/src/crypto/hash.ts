// SHA and HMAC by WebCrypto; SHA-256 also without waiting.
import { sha256 as digest256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equalBytes, owned, utf8 } from "./bytes.ts";

async function hmac(hash: "SHA-256" | "SHA-512", key: Uint8Array, parts: readonly Uint8Array[]): Promise<Bytes> {
  const imported = await globalThis.crypto.subtle.importKey("raw", owned(key), { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await globalThis.crypto.subtle.sign("HMAC", imported, concat(...parts)));
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Promise<Bytes> {
  return hmac("SHA-256", key, parts);
}

export function hmacSha512(key: Uint8Array, ...parts: readonly Uint8Array[]): Promise<Bytes> {
  return hmac("SHA-512", key, parts);
}

export async function verifyHmacSha256(key: Uint8Array, mac: Uint8Array, ...parts: readonly Uint8Array[]): Promise<boolean> {
  return equalBytes(mac, await hmacSha256(key, ...parts));
}

/** KDF(key, label) of the definitions: for keys that are already uniform. */
export function kdf(key: Uint8Array, label: string): Promise<Bytes> {
  return hmacSha256(key, utf8(label));
}

export async function sha512(bytes: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await globalThis.crypto.subtle.digest("SHA-512", owned(bytes)));
}

export function sha256(...parts: readonly Uint8Array[]): Bytes {
  return owned(digest256(concat(...parts)));
}
