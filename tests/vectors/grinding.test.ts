/// Who knows the link of a pairing and may try as often as he likes: the commitment leaves him one throw.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { answerPlaintext, commitOf, pairingCode } from '../support/independent/pairing.ts';
import { Random } from '../support/random.ts';

const tries = 600;
const bytes = (from: Random) => Buffer.from(Array.from({ length: 32 }, () => from.between(0, 255)));

describe('a code with a commitment', () => {
  /** One pairing that a grinder is in the middle of: he has s, the request and its commitment, and not nA. */
  function pairing(from: Random) {
    const [secret, transcript, nonceA] = [bytes(from), bytes(from), bytes(from)];
    const fixed = { accountKey: bytes(from), contentKey: bytes(from), account: '01900000-0000-7000-8000-000000000001', n: 1n, hash: bytes(from) };
    const answer = () => answerPlaintext(secret, transcript, { ...fixed, nonceD: bytes(from) });
    const digit = (plaintext: Buffer, nonce: Buffer) => pairingCode(secret, transcript, plaintext, nonce)[2][0];
    return { nonceA, answer, digit };
  }

  /** Grinds answers until the digit is the wanted one under the nonce that he believes in; how often it is under the true one. */
  function hits(test: TestContext, believes: (nonceA: Buffer, from: Random) => Buffer): number {
    const from = new Random();
    test.diagnostic(`SEED=${from.seed}`);
    let count = 0;
    for (let i = 0; i < tries; ++i) {
      const { nonceA, answer, digit } = pairing(from);
      const believed = believes(nonceA, from);
      let chosen = answer();
      while (digit(chosen, believed) !== '7') chosen = answer();
      if (digit(chosen, nonceA) === '7') count += 1;
    }
    return count;
  }

  it('gives who chooses the answer the digits of his choice by chance alone', (test) => {
    const count = hits(test, (_, from) => bytes(from));
    // One in ten; the bounds are six standard deviations.
    assert.ok(Math.abs(count - tries / 10) < 6 * Math.sqrt(tries * 0.09), `${count} of ${tries}`);
  });

  it('would give him all of them if he knew the nonce first', (test) => {
    assert.equal(hits(test, (nonceA) => nonceA), tries);
  });

  it('opens with one nonce: who sees the answer first cannot choose another', () => {
    const [publicKey, device, nonceA] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const commit = commitOf(publicKey, device, nonceA);
    const others = [
      ...Array.from({ length: 256 }, (_, bit) => Buffer.from(nonceA.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)))),
      ...Array.from({ length: 5_000 }, (_, i) => createHash('sha256').update(`guess ${i}`).digest()),
      Buffer.alloc(0), nonceA.subarray(0, 31), Buffer.concat([nonceA, Buffer.of(0)]),
    ];
    for (const other of others) assert.equal(commitOf(publicKey, device, other).equals(commit), false);
    // Nor is it another device's, or another pairing's.
    for (let i = 0; i < 200; ++i) {
      assert.equal(commitOf(publicKey, randomBytes(32), nonceA).equals(commit), false);
      assert.equal(commitOf(randomBytes(32), device, nonceA).equals(commit), false);
    }
  });
});
