// What is sealed to the content key and says inside who made it (docs/protocol.md 4): data keys and notices.
//
// base64(0x01 ‖ box bundle of (device key[32] ‖ signature[64] ‖ payload)). The signature lies inside, so that nobody can sign
// another's box, and names the recipient, so that none can be passed on. Whether the device may be believed is not judged here.
import { type KeyPair, sign, verifySignature } from "./account.ts";
import { type BoxRandomness, openBox, sealBox } from "./box.ts";
import { type Bytes, concat, fromBase64, fromUtf8, len16, owned, toBase64, utf8, uuidBytes, uuidText } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { sha256 } from "./hash.ts";

const dataKeyLabel = "consortium data key 1\n";
const noticeLabel = "consortium notice 1\n";
const keyBytes = 32;
const signatureBytes = 64;
const noticeIdPattern = /^[0-9a-f]{32}$/;

/** For whom and for what a box is: all of it is signed. */
interface BoxPlace {
  readonly label: string;
  readonly accountId: string;
  readonly contentPublicKey: Uint8Array;
  readonly scope: string;
}

interface Opened {
  /** The Ed25519 key of the device that made it. */
  readonly device: Bytes;
  readonly payload: Bytes;
}

export interface OpenedDataKey {
  readonly device: Bytes;
  readonly key: Bytes;
}

export interface OpenedNotice {
  readonly device: Bytes;
  readonly notice: Readonly<Record<string, unknown>> & { readonly at: number };
}

function signedBytes({ label, accountId, contentPublicKey, scope }: BoxPlace, payload: Uint8Array): Bytes {
  return concat(utf8(label), uuidBytes(accountId), contentPublicKey, len16(utf8(scope)), payload);
}

function seal(payload: Uint8Array, place: BoxPlace, device: KeyPair, randomness?: BoxRandomness): string {
  const signature = sign(signedBytes(place, payload), device.secretKey);
  return toBase64(concat(Uint8Array.of(1), sealBox(concat(device.publicKey, signature, payload), place.contentPublicKey, randomness)));
}

function open(sealed: string, place: BoxPlace, contentSecretKey: Uint8Array): Opened {
  const bytes = fromBase64(sealed);
  if (bytes[0] !== 1) throw new CryptoError("bad-version", "A signed box is of a form this version does not know.");
  const inside = openBox(bytes.subarray(1), contentSecretKey);
  if (inside.length < keyBytes + signatureBytes) throw new CryptoError("bad-format", "A signed box is too short.");
  const device = owned(inside.subarray(0, keyBytes));
  const payload = owned(inside.subarray(keyBytes + signatureBytes));
  if (!verifySignature(inside.subarray(keyBytes, keyBytes + signatureBytes), signedBytes(place, payload), device)) {
    throw new CryptoError("not-authentic", "The signature in a signed box does not verify.");
  }
  return { device, payload };
}

export type DataKeyOf = "session" | "machine";

export function sealDataKey(dataKey: Uint8Array, of: DataKeyOf, accountId: string, contentPublicKey: Uint8Array, device: KeyPair, randomness?: BoxRandomness): string {
  return seal(dataKey, { label: dataKeyLabel, accountId, contentPublicKey, scope: of }, device, randomness);
}

/** Throws bad-encoding, bad-version, bad-format, not-authentic. */
export function openDataKey(sealed: string, of: DataKeyOf, accountId: string, content: KeyPair): OpenedDataKey {
  const { device, payload } = open(sealed, { label: dataKeyLabel, accountId, contentPublicKey: content.publicKey, scope: of }, content.secretKey);
  if (payload.length !== keyBytes) throw new CryptoError("bad-format", "A data key has the wrong length.");
  return { device, key: payload };
}

export function sealNotice(notice: Readonly<Record<string, unknown>> & { readonly at: number }, id: string, accountId: string, contentPublicKey: Uint8Array, device: KeyPair, randomness?: BoxRandomness): string {
  return seal(utf8(JSON.stringify(notice)), { label: noticeLabel, accountId, contentPublicKey, scope: id }, device, randomness);
}

/** `id`: 32 hex digits. The caller remembers the ids that it has taken. Throws as openDataKey. */
export function openNotice(sealed: string, id: string, accountId: string, content: KeyPair): OpenedNotice {
  if (!noticeIdPattern.test(id)) throw new CryptoError("bad-format", "A notice has no proper id.");
  const { device, payload } = open(sealed, { label: noticeLabel, accountId, contentPublicKey: content.publicKey, scope: id }, content.secretKey);
  let notice: unknown;
  try {
    notice = JSON.parse(fromUtf8(payload));
  } catch {
    throw new CryptoError("bad-format", "A notice holds no JSON.");
  }
  if (typeof notice !== "object" || notice === null || !Number.isSafeInteger((notice as { at?: unknown }).at)) throw new CryptoError("bad-format", "A notice names no time.");
  return { device, notice: notice as OpenedNotice["notice"] };
}

/** A machine is a device of the account: its id follows from its key. */
export function machineId(accountId: string, device: Uint8Array): string {
  return uuidText(sha256(utf8("consortium machine 1\n"), uuidBytes(accountId), device).subarray(0, 16));
}
