// Content bundles: version 0 and version 1 (docs/protocol.md 5), AES-256-GCM by WebCrypto.
import { type Bytes, concat, fromBase64, owned, randomBytes, toBase64, utf8 } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

const nonceBytes = 12;
const tagBytes = 16;
const idBytes = 16;

/** Where a bundle of version 1 belongs. All three are authenticated. */
export interface Place {
  /** `sub` of the token. */
  readonly accountId: string;
  /** Session or machine id. */
  readonly scope: string;
  readonly kind: BundleKind;
}

export type BundleKind =
  | "message"
  | "prompt"
  | "agentState"
  | "daemonState"
  | "stream"
  | `rpc-request:${string}`
  | `rpc-response:${string}`;

export interface Opened {
  readonly version: 0 | 1;
  /** Base64 of id[16]; null in version 0. */
  readonly id: string | null;
  readonly plaintext: Bytes;
}

async function aesKey(key: Uint8Array, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return globalThis.crypto.subtle.importKey("raw", owned(key), "AES-GCM", false, [usage]);
}

function textPart(name: string, text: string): Bytes {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new CryptoError("bad-format", `The ${name} cannot be authenticated: it is empty or not plain ASCII.`);
  return utf8(text);
}

export function associatedData(place: Place, id: Uint8Array): Bytes {
  const zero = Uint8Array.of(0);
  return concat(
    utf8("consortium/1"),
    zero,
    textPart("account id", place.accountId),
    zero,
    textPart("scope", place.scope),
    zero,
    textPart("kind", place.kind),
    zero,
    id,
  );
}

/** Version 1: 0x01 ‖ id[16] ‖ nonce[12] ‖ ciphertext ‖ tag[16], base64. `id` and `nonce` are given only by tests and RPC responses. */
export async function sealBundle(
  plaintext: Uint8Array,
  key: Uint8Array,
  place: Place,
  given: { readonly id?: Uint8Array; readonly nonce?: Uint8Array } = {},
): Promise<string> {
  const id = given.id ?? randomBytes(idBytes);
  const nonce = given.nonce ?? randomBytes(nonceBytes);
  const sealed = await globalThis.crypto.subtle.encrypt(
    { name: "AES-GCM", iv: owned(nonce), additionalData: associatedData(place, id) },
    await aesKey(key, "encrypt"),
    owned(plaintext),
  );
  return toBase64(concat(Uint8Array.of(1), id, nonce, new Uint8Array(sealed)));
}

/** Base64 of the id of a version 1 bundle, without opening it; null for any other version. */
export function bundleId(bundle: string): string | null {
  const bytes = fromBase64(bundle);
  return bytes[0] === 1 && bytes.length >= 1 + idBytes + nonceBytes + tagBytes ? toBase64(bytes.subarray(1, 1 + idBytes)) : null;
}

/**
 * Opens a bundle of version 1 for this place, or of version 0 where `acceptUnbound` says so.
 * Throws bad-encoding, bad-format, bad-version, not-authentic.
 */
export async function openBundle(
  bundle: string,
  key: Uint8Array,
  place: Place,
  options: { readonly acceptUnbound?: boolean } = {},
): Promise<Opened> {
  const bytes = fromBase64(bundle);
  if (bytes[0] === 0 && options.acceptUnbound === true) {
    return { version: 0, id: null, plaintext: await openUnboundBytes(bytes, key) };
  }
  if (bytes[0] !== 1) throw new CryptoError("bad-version", "Sealed in a form that is not accepted here.");
  if (bytes.length < 1 + idBytes + nonceBytes + tagBytes) throw new CryptoError("bad-format", "A bundle is too short.");
  const id = bytes.subarray(1, 1 + idBytes);
  const nonce = bytes.subarray(1 + idBytes, 1 + idBytes + nonceBytes);
  try {
    const plaintext = await globalThis.crypto.subtle.decrypt(
      { name: "AES-GCM", iv: owned(nonce), additionalData: associatedData(place, id) },
      await aesKey(key, "decrypt"),
      bytes.slice(1 + idBytes + nonceBytes),
    );
    return { version: 1, id: toBase64(id), plaintext: new Uint8Array(plaintext) };
  } catch (error) {
    if (error instanceof CryptoError) throw error;
    throw new CryptoError("not-authentic", "Not sealed with this session's key for this place.");
  }
}

async function openUnboundBytes(bytes: Bytes, key: Uint8Array): Promise<Bytes> {
  if (bytes.length < 1 + nonceBytes + tagBytes) throw new CryptoError("bad-format", "A bundle is too short.");
  try {
    const plaintext = await globalThis.crypto.subtle.decrypt(
      { name: "AES-GCM", iv: bytes.slice(1, 1 + nonceBytes) },
      await aesKey(key, "decrypt"),
      bytes.slice(1 + nonceBytes),
    );
    return new Uint8Array(plaintext);
  } catch {
    throw new CryptoError("not-authentic", "Not sealed with this key.");
  }
}

/** Version 0: 0x00 ‖ nonce[12] ‖ ciphertext ‖ tag[16]. Binds no place: never for prompts, RPC or approvals. */
export async function sealUnbound(plaintext: Uint8Array, key: Uint8Array, nonce: Uint8Array = randomBytes(nonceBytes)): Promise<string> {
  const sealed = await globalThis.crypto.subtle.encrypt({ name: "AES-GCM", iv: owned(nonce) }, await aesKey(key, "encrypt"), owned(plaintext));
  return toBase64(concat(Uint8Array.of(0), nonce, new Uint8Array(sealed)));
}

export async function openUnbound(bundle: string, key: Uint8Array): Promise<Bytes> {
  const bytes = fromBase64(bundle);
  if (bytes[0] !== 0) throw new CryptoError("bad-version", "Not a bundle of version 0.");
  return openUnboundBytes(bytes, key);
}
