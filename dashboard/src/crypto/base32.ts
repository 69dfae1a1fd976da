// The written form of the account secret (docs/protocol.md 4): RFC 4648 base32 in groups of five.
import { type Bytes, fromBase64Url } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
export const secretBytes = 32;

export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(buffer >> bits) & 31];
    }
    buffer &= (1 << bits) - 1;
  }
  if (bits > 0) text += alphabet[(buffer << (5 - bits)) & 31];
  return text;
}

/** The groups a person writes down: ten of five characters and one of two. */
export function secretGroups(secret: Uint8Array): string[] {
  return toBase32(secret).match(/.{1,5}/g) ?? [];
}

export function formatSecret(secret: Uint8Array): string {
  return secretGroups(secret).join("-");
}

/** What a person types for one group, as the parser of the whole key would read it. */
export function normaliseGroup(text: string): string {
  return text.toUpperCase().replaceAll("0", "O").replaceAll("1", "I").replaceAll("8", "B").replaceAll("9", "G").replace(/[^A-Z2-7]/g, "");
}

/**
 * Reads a secret key as written down (groups, spaces, either case, the usual misreadings) or as base64url.
 * Throws bad-encoding with a message that says what is wrong.
 */
export function parseSecret(input: string): Bytes {
  const text = input.trim();
  if (text === "") throw new CryptoError("bad-encoding", "Enter your secret key.");
  if (!/[-\s]/.test(text) && text.length <= 50) return parseBase64UrlSecret(text);
  // base64url of 32 bytes has 43 characters and may hold "-". Groups with missing ends can be as long: those are base32.
  // The whole text must be groups: a random secret may well begin like some.
  const grouped = /^[A-Za-z0-9]{1,5}(-+[A-Za-z0-9]{1,5})*-*$/.test(text);
  if (text.length === 43 && !grouped && /^[A-Za-z0-9_-]+$/.test(text)) return parseBase64UrlSecret(text);

  const digits = normaliseGroup(text);
  if (digits.length !== 52) {
    const less = digits.length < 52;
    throw new CryptoError(
      "bad-encoding",
      `A secret key has 52 letters and digits; this has ${digits.length}. ${less ? "Some are missing." : "There are too many."}`,
    );
  }
  const out = new Uint8Array(secretBytes);
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (const digit of digits) {
    buffer = (buffer << 5) | alphabet.indexOf(digit);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      if (at < out.length) out[at] = (buffer >> bits) & 255;
      at += 1;
    }
    buffer &= (1 << bits) - 1;
  }
  if (buffer !== 0) throw new CryptoError("bad-encoding", "The last group is not right. Compare it with what you wrote down.");
  return out;
}

function parseBase64UrlSecret(text: string): Bytes {
  let bytes: Bytes;
  try {
    bytes = fromBase64Url(text);
  } catch {
    throw new CryptoError("bad-encoding", "This is not a secret key. It is 52 letters and digits in groups, or 43 characters of base64url.");
  }
  if (bytes.length !== secretBytes) {
    throw new CryptoError("bad-encoding", `A secret key in one piece has 43 characters; this has ${text.length}.`);
  }
  return bytes;
}
