/// NaCl by hand: X25519 of node:crypto, HSalsa20, XSalsa20, Poly1305; the secretbox and the box bundle.

import { createPrivateKey, createPublicKey, diffieHellman, randomBytes, timingSafeEqual } from 'node:crypto';
import { concat, type Bytes } from './bytes.ts';

const sigma = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

const words = (bytes: Bytes): number[] => {
  const view = Buffer.from(bytes);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.readUInt32LE(4 * i));
};

const bytesOf = (values: number[]): Buffer => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => out.writeUInt32LE(value >>> 0, 4 * i));
  return out;
};

const rotate = (a: number, n: number): number => (a << n) | (a >>> (32 - n));

function rounds(input: number[]): number[] {
  const x = [...input];
  const quarter = (a: number, b: number, c: number, e: number) => {
    x[b]! ^= rotate((x[a]! + x[e]!) | 0, 7);
    x[c]! ^= rotate((x[b]! + x[a]!) | 0, 9);
    x[e]! ^= rotate((x[c]! + x[b]!) | 0, 13);
    x[a]! ^= rotate((x[e]! + x[c]!) | 0, 18);
  };
  for (let i = 0; i < 10; ++i) {
    quarter(0, 4, 8, 12), quarter(5, 9, 13, 1), quarter(10, 14, 2, 6), quarter(15, 3, 7, 11);
    quarter(0, 1, 2, 3), quarter(5, 6, 7, 4), quarter(10, 11, 8, 9), quarter(15, 12, 13, 14);
  }
  return x;
}

function state(key: Bytes, middle: number[]): number[] {
  const k = words(key);
  return [sigma[0]!, ...k.slice(0, 4), sigma[1]!, ...middle, sigma[2]!, ...k.slice(4), sigma[3]!];
}

function hsalsa(key: Bytes, nonce16: Bytes): Buffer {
  const x = rounds(state(key, words(nonce16)));
  return bytesOf([0, 5, 10, 15, 6, 7, 8, 9].map((i) => x[i]!));
}

function xsalsaStream(key: Bytes, nonce: Bytes, length: number): Buffer {
  const inner = hsalsa(key, nonce.subarray(0, 16));
  const blocks: Buffer[] = [];
  for (let block = 0; 64 * block < length; ++block) {
    const input = state(inner, [...words(nonce.subarray(16, 24)), block, 0]);
    blocks.push(bytesOf(rounds(input).map((value, i) => (value + input[i]!) | 0)));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function poly1305(key: Bytes, message: Bytes): Buffer {
  const number = (bytes: Bytes) => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  const prime = 2n ** 130n - 5n;
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    sum = ((sum + number(concat(message.subarray(at, at + 16), Buffer.of(1)))) * r) % prime;
  }
  const tag = (sum + number(key.subarray(16, 32))) % 2n ** 128n;
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse();
}

/** nonce[24] ‖ tag[16] ‖ ciphertext. */
export function sealSecretbox(plaintext: Bytes, key: Bytes, nonce: Bytes = randomBytes(24)): Buffer {
  const stream = xsalsaStream(key, nonce, 32 + plaintext.length);
  const sealed = Buffer.from(plaintext.map((byte, i) => byte ^ stream[32 + i]!));
  return concat(nonce, poly1305(stream.subarray(0, 32), sealed), sealed);
}

export function openSecretbox(sealed: Bytes, key: Bytes): Buffer {
  if (sealed.length < 40) throw new Error('a secretbox is too short');
  const stream = xsalsaStream(key, sealed.subarray(0, 24), 32 + sealed.length - 40);
  const ciphertext = sealed.subarray(40);
  if (!timingSafeEqual(poly1305(stream.subarray(0, 32), ciphertext), sealed.subarray(24, 40))) throw new Error('a secretbox does not open');
  return Buffer.from(ciphertext.map((byte, i) => byte ^ stream[32 + i]!));
}

export interface BoxKey {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}

const privateKey = (secret: Bytes) =>
  createPrivateKey({ key: concat(Buffer.from('302e020100300506032b656e04220420', 'hex'), secret), format: 'der', type: 'pkcs8' });

export function boxKey(secretKey: Bytes = randomBytes(32)): BoxKey {
  const publicKey = createPublicKey(privateKey(secretKey)).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { publicKey, secretKey: Buffer.from(secretKey) };
}

function sharedKey(secretKey: Bytes, publicKey: Bytes): Buffer {
  const key = createPublicKey({ key: concat(Buffer.from('302a300506032b656e032100', 'hex'), publicKey), format: 'der', type: 'spki' });
  return hsalsa(diffieHellman({ privateKey: privateKey(secretKey), publicKey: key }), Buffer.alloc(16));
}

/** The bundle: ephemeral public key[32] ‖ nonce[24] ‖ box. */
export function sealBox(plaintext: Bytes, recipient: Bytes, given: { secret?: Bytes; nonce?: Bytes } = {}): Buffer {
  const ephemeral = boxKey(given.secret);
  return concat(ephemeral.publicKey, sealSecretbox(plaintext, sharedKey(ephemeral.secretKey, recipient), given.nonce));
}

export function openBox(bundle: Bytes, secretKey: Bytes): Buffer {
  if (bundle.length < 72) throw new Error('a box bundle is too short');
  return openSecretbox(bundle.subarray(32), sharedKey(secretKey, bundle.subarray(0, 32)));
}
