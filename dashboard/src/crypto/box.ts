// NaCl: secretbox, and the box bundle of docs/protocol.md 4.
import { hsalsa, xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { boxKeyPair } from "./account.ts";
import { type Bytes, concat, owned, randomBytes } from "./bytes.ts";
import { CryptoError } from "./errors.ts";

const nonceBytes = 24;
const tagBytes = 16;
const keyBytes = 32;
// "expand 32-byte k", the constant of Salsa20.
const sigma = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);

/** nonce(24) ‖ tag(16) ‖ ciphertext */
export function sealSecretbox(plaintext: Uint8Array, key: Uint8Array, nonce: Uint8Array = randomBytes(nonceBytes)): Bytes {
  return concat(nonce, xsalsa20poly1305(key, nonce).encrypt(plaintext));
}

/** Throws bad-format when too short, not-authentic when the tag does not verify. */
export function openSecretbox(sealed: Uint8Array, key: Uint8Array): Bytes {
  if (sealed.length < nonceBytes + tagBytes) throw new CryptoError("bad-format", "A sealed value is too short.");
  try {
    return owned(xsalsa20poly1305(key, sealed.subarray(0, nonceBytes)).decrypt(sealed.subarray(nonceBytes)));
  } catch {
    throw new CryptoError("not-authentic", "A sealed value does not open with this key.");
  }
}

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** crypto_box_beforenm: HSalsa20 of the X25519 shared secret. Throws bad-format on a key of small order. */
function sharedKey(secretKey: Uint8Array, publicKey: Uint8Array): Bytes {
  let shared: Uint8Array;
  try {
    shared = x25519.getSharedSecret(secretKey, publicKey);
  } catch {
    throw new CryptoError("bad-format", "Not a usable X25519 public key.");
  }
  const out = new Uint32Array(8);
  hsalsa(sigma, words(shared), new Uint32Array(4), out);
  const key = new Uint8Array(keyBytes);
  const view = new DataView(key.buffer);
  out.forEach((word, i) => view.setUint32(4 * i, word, true));
  return key;
}

export interface BoxRandomness {
  readonly ephemeralSecret?: Uint8Array;
  readonly nonce?: Uint8Array;
}

/** Box bundle: ephemeral public key(32) ‖ nonce(24) ‖ box. Only the holder of the recipient's secret key can open it. */
export function sealBox(plaintext: Uint8Array, recipient: Uint8Array, randomness: BoxRandomness = {}): Bytes {
  const ephemeral = boxKeyPair(randomness.ephemeralSecret);
  return concat(ephemeral.publicKey, sealSecretbox(plaintext, sharedKey(ephemeral.secretKey, recipient), randomness.nonce));
}

export function openBox(bundle: Uint8Array, secretKey: Uint8Array): Bytes {
  if (bundle.length < keyBytes + nonceBytes + tagBytes) throw new CryptoError("bad-format", "A box bundle is too short.");
  return openSecretbox(bundle.subarray(keyBytes), sharedKey(secretKey, bundle.subarray(0, keyBytes)));
}
