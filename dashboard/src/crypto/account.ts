// Keys of an account and of a device. Ed25519 and X25519 by @noble/curves.
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { sha512 as digest512 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, owned, randomBytes, toHex } from "./bytes.ts";
import { sha512 } from "./hash.ts";
import { deriveKey } from "./keytree.ts";

export interface KeyPair {
  readonly publicKey: Bytes;
  readonly secretKey: Bytes;
}

export interface AccountKeys {
  /** 32 random bytes: the seed of everything, what people write down. */
  readonly secret: Bytes;
  /** Ed25519, the login key. */
  readonly publicKey: Bytes;
  /** X25519, to which data keys are wrapped. */
  readonly content: KeyPair;
}

export async function accountFromSecret(secret: Uint8Array): Promise<AccountKeys> {
  if (secret.length !== 32) throw new RangeError("An account secret has 32 bytes.");
  const contentSeed = await deriveKey(secret, "Happy EnCoder", ["content"]);
  const contentSecret = (await sha512(contentSeed)).slice(0, 32);
  return {
    secret: owned(secret),
    publicKey: owned(ed25519.getPublicKey(secret)),
    content: boxKeyPair(contentSecret),
  };
}

export function boxKeyPair(secretKey: Uint8Array = randomBytes(32)): KeyPair {
  return { publicKey: owned(x25519.getPublicKey(secretKey)), secretKey: owned(secretKey) };
}

/** An Ed25519 pair; the secret key is its 32-byte seed. */
export function signKeyPair(seed: Uint8Array = randomBytes(32)): KeyPair {
  return { publicKey: owned(ed25519.getPublicKey(seed)), secretKey: owned(seed) };
}

export function sign(message: Uint8Array, seed: Uint8Array): Bytes {
  return owned(ed25519.sign(message, seed));
}

const { Point } = ed25519;
const order = Point.Fn.ORDER;

/** Canonical, and of the group of prime order: neither of small nor of mixed order. */
export function isPublicKey(bytes: Uint8Array): boolean {
  return pointOf(bytes) !== null;
}

/** Keys that were found to be usable: a chain of devices is signed by one key, and names the same ones again and again. */
const usable = new Map<string, InstanceType<typeof Point>>();
const usableMax = 4096;

function pointOf(publicKey: Uint8Array): InstanceType<typeof Point> | null {
  const known = usable.get(toHex(publicKey));
  if (known !== undefined) return known;
  try {
    const point = Point.fromBytes(publicKey, false);
    if (point.is0() || !point.isTorsionFree()) return null;
    if (usable.size >= usableMax) usable.clear();
    usable.set(toHex(publicKey), point);
    return point;
  } catch {
    return null;
  }
}

/**
 * Ed25519 of RFC 8032, checked so that all parties refuse the same: S < L, key and R canonical, the key as isPublicKey(), R not of
 * small order, and the equation without the cofactor. (The library's own check multiplies by the cofactor: it takes more.)
 */
export function verifySignature(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const s = littleEndian(signature.subarray(32));
  const key = pointOf(publicKey);
  if (s >= order || key === null) return false;
  try {
    const r = signature.subarray(0, 32);
    const commitment = Point.fromBytes(r, false);
    if (commitment.isSmallOrder()) return false;
    const challenge = littleEndian(digest512(concat(r, publicKey, message))) % order;
    return Point.BASE.multiplyUnsafe(s).equals(commitment.add(key.multiplyUnsafe(challenge)));
  } catch {
    return false; // R is no point of the curve.
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.slice().reverse())}`);
}
