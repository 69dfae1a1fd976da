/// Ed25519 (RFC 8032) in plain arithmetic, with the strict rules of the protocol and the means to break each of them.

import { createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { concat, sha512, type Bytes } from './bytes.ts';

const p = 2n ** 255n - 19n;
export const order = 2n ** 252n + 27742317777372353535851937790883648493n;

const mod = (a: bigint, m = p): bigint => ((a % m) + m) % m;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) if (e & 1n) result = mod(result * b);
  return result;
}

const inverse = (a: bigint): bigint => power(a, p - 2n);
const d = mod(-121665n * inverse(121666n));
const rootOfMinusOne = power(2n, (p - 1n) / 4n);

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. */
export interface Point {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

export const zero: Point = { X: 0n, Y: 1n, Z: 1n, T: 0n };

const affine = (x: bigint, y: bigint): Point => ({ X: x, Y: y, Z: 1n, T: mod(x * y) });

export function add(a: Point, b: Point): Point {
  const A = mod((a.Y - a.X) * (b.Y - b.X));
  const B = mod((a.Y + a.X) * (b.Y + b.X));
  const C = mod(2n * d * a.T * b.T);
  const D = mod(2n * a.Z * b.Z);
  const [E, F, G, H] = [B - A, D - C, D + C, B + A];
  return { X: mod(E * F), Y: mod(G * H), Z: mod(F * G), T: mod(E * H) };
}

export function multiply(scalar: bigint, point: Point): Point {
  let result = zero;
  for (let s = scalar, q = point; s > 0n; s >>= 1n, q = add(q, q)) if (s & 1n) result = add(result, q);
  return result;
}

/** a·P + b·Q in one go. */
function combine(a: bigint, P: Point, b: bigint, Q: Point): Point {
  const table = [zero, P, Q, add(P, Q)];
  let result = zero;
  for (let bit = 252n; bit >= 0n; --bit) {
    result = add(result, result);
    const which = Number((a >> bit) & 1n) + 2 * Number((b >> bit) & 1n);
    if (which > 0) result = add(result, table[which]!);
  }
  return result;
}

const negative = ({ X, Y, Z, T }: Point): Point => ({ X: mod(-X), Y, Z, T: mod(-T) });

export const equal = (a: Point, b: Point): boolean => mod(a.X * b.Z - b.X * a.Z) === 0n && mod(a.Y * b.Z - b.Y * a.Z) === 0n;

export function littleEndian(value: bigint, bytes = 32): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex').reverse();
}

export const fromLittleEndian = (bytes: Bytes): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);

export function encode(point: Point): Buffer {
  const z = inverse(point.Z);
  return littleEndian(mod(point.Y * z) | ((mod(point.X * z) & 1n) << 255n));
}

/** The point of a canonical encoding; otherwise undefined. */
export function decode(bytes: Bytes): Point | undefined {
  if (bytes.length !== 32) return undefined;
  const value = fromLittleEndian(bytes);
  const sign = value >> 255n;
  const y = value & (2n ** 255n - 1n);
  if (y >= p) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(d * y * y + 1n);
  let x = mod(u * v ** 3n * power(u * v ** 7n, (p - 5n) / 8n));
  if (mod(v * x * x) === mod(-u)) x = mod(x * rootOfMinusOne);
  if (mod(v * x * x) !== u) return undefined;
  if (x === 0n && sign === 1n) return undefined;
  return affine((x & 1n) === sign ? x : p - x, y);
}

export const base = decode(Buffer.concat([Buffer.from([0x58]), Buffer.alloc(31, 0x66)]))!;

/** A point of order 8; its multiples are the eight points of small order. */
export const torsion: Point = (() => {
  for (let y = 2n; ; ++y) {
    const point = decode(littleEndian(y));
    const rest = point && multiply(order, point);
    if (rest && !equal(multiply(4n, rest), zero)) return rest;
  }
})();

const known = new Map<string, boolean>();

/** A key is the canonical encoding of a point of the prime-order group other than zero. */
export function isKey(bytes: Bytes): boolean {
  const name = Buffer.from(bytes).toString('hex');
  if (!known.has(name)) {
    const point = decode(bytes);
    known.set(name, point !== undefined && !equal(point, zero) && equal(multiply(order, point), zero));
  }
  return known.get(name)!;
}

export const challenge = (R: Bytes, A: Bytes, message: Bytes): bigint => mod(fromLittleEndian(sha512(R, A, message)), order);

/** The rules that all parties share. */
export function verify(signature: Bytes, message: Bytes, key: Bytes): boolean {
  if (signature.length !== 64 || !isKey(key)) return false;
  const S = fromLittleEndian(signature.subarray(32));
  const R = decode(signature.subarray(0, 32));
  if (S >= order || R === undefined || equal(multiply(8n, R), zero)) return false;
  const k = challenge(signature.subarray(0, 32), key, message);
  return equal(R, combine(S, base, k, negative(decode(key)!)));
}

/** The secret scalar and the prefix of a seed. */
export function expand(seed: Bytes): { scalar: bigint; prefix: Buffer } {
  const h = sha512(seed);
  const scalar = (fromLittleEndian(h.subarray(0, 32)) & (2n ** 254n - 8n)) | (2n ** 254n);
  return { scalar, prefix: h.subarray(32) };
}

/** An Ed25519 pair from its seed: an account (the seed is its secret) or a device. Signatures by node:crypto. */
export class SigningKey {
  readonly seed: Buffer;
  readonly publicKey: Buffer;
  readonly #key: KeyObject;

  constructor(seed: Bytes = randomBytes(32)) {
    this.seed = Buffer.from(seed);
    const pkcs8 = concat(Buffer.from('302e020100300506032b657004220420', 'hex'), this.seed);
    this.#key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    this.publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32);
  }

  get base64(): string {
    return this.publicKey.toString('base64');
  }

  sign(...parts: Bytes[]): Buffer {
    return sign(null, concat(...parts), this.#key);
  }
}

/** The same signature with S + L: the same to whoever does not look. */
export function plusOrder(signature: Bytes): Buffer {
  return concat(signature.subarray(0, 32), littleEndian(fromLittleEndian(signature.subarray(32)) + order));
}
