// Bytes, text and their encodings. Decoders are strict: what they accept is the one canonical spelling.
import { CryptoError } from "./errors.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** Throws bad-encoding on ill-formed UTF-8. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new CryptoError("bad-encoding", "Not UTF-8.");
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Equal lengths take the same time whatever the contents. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i += 1) different |= (a[i] as number) ^ (b[i] as number);
  return different === 0;
}

export function randomBytes(size: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(size));
}

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

export function fromHex(text: string): Bytes {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) throw new CryptoError("bad-encoding", "Not lower-case hex.");
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i += 1) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** Standard alphabet, padded, no white space, no stray bits in the last character. */
export function fromBase64(text: string): Bytes {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new CryptoError("bad-encoding", "Not base64.");
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new CryptoError("bad-encoding", "Not base64.");
  }
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) out[i] = binary.charCodeAt(i);
  const tail = out.length % 3;
  if (tail !== 0 && toBase64(out.subarray(out.length - tail)) !== text.slice(-4)) {
    throw new CryptoError("bad-encoding", "Not canonical base64.");
  }
  return out;
}

export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** URL alphabet, no padding. */
export function fromBase64Url(text: string): Bytes {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new CryptoError("bad-encoding", "Not base64url.");
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return fromBase64(padded);
}

/** The raw bytes as the view WebCrypto wants: its own buffer, from the first byte. */
export function owned(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** u64be. Throws RangeError for what JavaScript cannot count to. */
export function u64be(value: number): Bytes {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("Not a number of 64 bits that JavaScript can count to.");
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out;
}

/** u16be length ‖ bytes */
export function len16(bytes: Uint8Array): Bytes {
  if (bytes.length > 0xffff) throw new RangeError("Too long for a length of 16 bits.");
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes);
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

/** The 16 bytes of an account or session id. Throws bad-format unless it is the canonical lower-case text. */
export function uuidBytes(text: string): Bytes {
  if (!isUuid(text)) throw new CryptoError("bad-format", "Not an id as this relay writes them.");
  return fromHex(text.replaceAll("-", ""));
}

export function uuidText(bytes: Uint8Array): string {
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
