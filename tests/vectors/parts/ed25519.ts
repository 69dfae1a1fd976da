import { base64, concat, sha512, utf8, type Bytes } from '../../support/independent/bytes.ts';
import {
  add, base, challenge, encode, expand, fromLittleEndian, littleEndian, multiply, order, plusOrder, SigningKey, torsion, verify, zero,
} from '../../support/independent/ed25519.ts';
import { bytesOf } from './given.ts';

const p = 2n ** 255n - 19n;
const signBit = 2n ** 255n;
const mod = (a: bigint) => ((a % order) + order) % order;

/** A signature with this key point's encoding and nonce point's encoding, by whoever knows the scalars. */
function forge(A: Bytes, scalar: bigint, R: Bytes, nonce: bigint, message: Bytes): Buffer {
  return concat(R, littleEndian(mod(nonce + challenge(R, A, message) * scalar)));
}

/** The first message of a series with this property. */
function messageWhere(name: string, holds: (message: Buffer) => boolean): Buffer {
  for (let i = 0; ; ++i) {
    const message = utf8(`${name} ${i}`);
    if (holds(message)) return message;
  }
}

export function ed25519() {
  const cases: { name: string; publicKey: string; message: string; signature: string; verdict: 'good' | 'refused'; why?: string }[] = [];
  const put = (name: string, publicKey: Bytes, message: Bytes, signature: Bytes, why?: string) => {
    if (verify(signature, message, publicKey) !== (why === undefined)) throw new Error(`${name}: the verdict is not that of the rules`);
    cases.push({
      name, publicKey: base64(publicKey), message: base64(message), signature: base64(signature), verdict: why === undefined ? 'good' : 'refused',
      ...(why === undefined ? {} : { why }),
    });
  };

  const rfc = new SigningKey(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'));
  put('RFC 8032, test 1', rfc.publicKey, Buffer.alloc(0), rfc.sign());
  const key = new SigningKey(bytesOf('ed25519'));
  const message = utf8('consortium');
  const good = key.sign(message);
  put('a signature', key.publicKey, message, good);
  put('a long message', key.publicKey, Buffer.alloc(5000, 0x61), key.sign(Buffer.alloc(5000, 0x61)));

  const flipped = (bytes: Bytes, at: number) => Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  put('another message', key.publicKey, utf8('Consortium'), good, 'equation');
  put('a bit of R', key.publicKey, message, flipped(good, 0), 'equation');
  put('a bit of S', key.publicKey, message, flipped(good, 40), 'equation');
  put('another key', rfc.publicKey, message, good, 'equation');
  put('63 bytes', key.publicKey, message, good.subarray(0, 63), 'length');
  put('65 bytes', key.publicKey, message, concat(good, Buffer.of(0)), 'length');
  put('a key of 31 bytes', key.publicKey.subarray(0, 31), message, good, 'length');
  put('prehashed (Ed25519ph)', key.publicKey, message, signPrehashed(key, message), 'equation');

  put('S + L', key.publicKey, message, plusOrder(good), 'S is not below L');
  put('S = L', key.publicKey, message, concat(good.subarray(0, 32), littleEndian(order)), 'S is not below L');
  {
    let S = fromLittleEndian(good.subarray(32));
    while (S + order < 2n ** 256n) S += order;
    put('S + the most L that fit', key.publicKey, message, concat(good.subarray(0, 32), littleEndian(S)), 'S is not below L');
  }

  // A of small order: whoever knows that k·A is zero signs anything without a secret.
  const small = Array.from({ length: 8 }, (_, i) => multiply(BigInt(i), torsion));
  const r = 5n;
  const R = encode(multiply(r, base));
  small.forEach((A, i) => {
    const text = encode(A);
    const suits = messageWhere(`small A ${i}`, (m) => challenge(R, text, m) % 8n === 0n);
    put(`A of small order, ${i} times the generator of the torsion`, text, suits, concat(R, littleEndian(r)), 'A is of small order');
  });
  // R of small order: S = k·a.
  const { scalar } = expand(key.seed);
  small.forEach((point, i) => {
    const text = encode(point);
    put(`R of small order, ${i} times the generator of the torsion`, key.publicKey, message, forge(key.publicKey, scalar, text, 0n, message), 'R is of small order');
  });
  put('A and R zero, S zero', encode(zero), message, concat(encode(zero), Buffer.alloc(32)), 'A is of small order');

  // Encodings that are not canonical: y not below p, or x = 0 with the sign bit.
  const odd: [string, Buffer][] = [
    ['y = p + 1 (zero)', littleEndian(p + 1n)],
    ['y = 1 with the sign bit (zero)', littleEndian(1n | signBit)],
    ['y = p (order 4)', littleEndian(p)],
    ['y = p - 1 with the sign bit (order 2)', littleEndian((p - 1n) | signBit)],
  ];
  for (const [name, text] of odd) {
    const suits = messageWhere(`A ${name}`, (m) => challenge(R, text, m) % 8n === 0n);
    put(`A not canonical: ${name}`, text, suits, concat(R, littleEndian(r)), 'A is not canonical');
    put(`R not canonical: ${name}`, key.publicKey, message, forge(key.publicKey, scalar, text, 0n, message), 'R is not canonical');
  }
  // y = 3 is on the curve and of a large order, but nobody knows its logarithm: only its encoding can be wrong.
  put('A not canonical: y = p + 3', littleEndian(p + 3n), message, good, 'A is not canonical');
  put('R not canonical: y = p + 3', key.publicKey, message, concat(littleEndian(p + 3n), good.subarray(32)), 'R is not canonical');
  put('A not on the curve: y = 2', littleEndian(2n), message, good, 'A is no point');
  put('R not on the curve: y = 2', key.publicKey, message, concat(littleEndian(2n), good.subarray(32)), 'R is no point');

  // Mixed: a point of the prime-order group plus one of small order. Multiplied by eight the equation holds.
  const mixedA = encode(add(multiply(scalar, base), torsion));
  const unequal = messageWhere('mixed A', (m) => challenge(R, mixedA, m) % 8n !== 0n);
  put('A of mixed order, right only when multiplied by eight', mixedA, unequal, forge(mixedA, scalar, R, r, unequal), 'A is of mixed order');
  const suits = messageWhere('mixed A', (m) => challenge(R, mixedA, m) % 8n === 0n);
  put('A of mixed order, right as it stands', mixedA, suits, forge(mixedA, scalar, R, r, suits), 'A is of mixed order');
  const mixedR = encode(add(multiply(r, base), torsion));
  put('R of mixed order, right only when multiplied by eight', key.publicKey, message, forge(key.publicKey, scalar, mixedR, r, message), 'R is of mixed order');
  const both = messageWhere('mixed A and R', (m) => challenge(mixedR, mixedA, m) % 8n === 7n);
  put('A and R of mixed order, right as it stands', mixedA, both, forge(mixedA, scalar, mixedR, r, both), 'A is of mixed order');

  return {
    about: 'Ed25519 as every party checks it. Made by tests/vectors/make.ts. Everything in base64.',
    notes: [
      'refused: by all parties alike. S < L; A and R are canonical encodings of points; neither is of small order; S·B = R + k·A as it stands, not multiplied by the cofactor.',
      'A key is of the prime-order group: one of mixed order is refused like one of small order, even where its signature is right as it stands.',
    ],
    cases,
  };
}

/** Ed25519ph of the message: another signature scheme over the same key. */
function signPrehashed(key: SigningKey, message: Bytes): Buffer {
  const { scalar, prefix } = expand(key.seed);
  const dom = concat(utf8('SigEd25519 no Ed25519 collisions'), Buffer.of(1, 0));
  const hashed = sha512(message);
  const r = mod(fromLittleEndian(sha512(dom, prefix, hashed)));
  const R = encode(multiply(r, base));
  const k = mod(fromLittleEndian(sha512(dom, R, key.publicKey, hashed)));
  return concat(R, littleEndian(mod(r + k * scalar)));
}
