/// The dashboard's code and the tests' own, which share nothing, say the same of whatever they are given.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import * as product from '../../dashboard/src/crypto/index.ts';
import { readAct, signAct } from '../support/independent/act.ts';
import { accountOf } from '../support/independent/account.ts';
import { base64, concat, hex } from '../support/independent/bytes.ts';
import { add, decode, encode, fromLittleEndian, littleEndian, multiply, order, plusOrder, SigningKey, torsion, verify, zero } from '../support/independent/ed25519.ts';
import { labels, openSigned, sealSigned } from '../support/independent/signed_box.ts';
import { DeviceChain, DeviceSet, Invalid, parseStatement, signStatement, type Statement } from '../support/independent/statement.ts';
import { Random } from '../support/random.ts';

const accountId = '01a00000-0000-7000-8000-0000000000c3';

/** The browser's kind of bytes: a Buffer's slice() is no copy. */
const plain = (bytes: Uint8Array) => new Uint8Array(bytes);

const outcome = (act: () => unknown): boolean => {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return false;
  }
};

/** These bytes with something done to them, or as they are. */
function damaged(bytes: Uint8Array, random: Random): Buffer {
  const out = Buffer.from(bytes);
  switch (random.between(0, 3)) {
    case 0:
      out[random.between(0, out.length - 1)]! ^= 1 << random.between(0, 7);
      return out;
    case 1:
      return out.subarray(0, random.between(0, out.length - 1));
    case 2:
      return concat(out, randomBytes(random.between(1, 3)));
    default:
      return out;
  }
}

it('of signatures', (test) => {
  const random = new Random();
  test.diagnostic(`SEED=${random.seed}`);
  for (let round = 0; round < 30; ++round) {
    const key = new SigningKey();
    const message = randomBytes(random.between(0, 200));
    const signature = key.sign(message);
    const [r, s] = [signature.subarray(0, 32), fromLittleEndian(signature.subarray(32))];
    /** A point plus one of small order, or that one alone. */
    const twisted = (of: Uint8Array) => encode(add(multiply(BigInt(random.between(0, 7)), torsion), random.next() < 0.5 ? zero : decode(of)!));
    const variants: [Uint8Array, Uint8Array][] = [
      [signature, key.publicKey], [plusOrder(signature), key.publicKey], [damaged(signature, random), key.publicKey], [signature, damaged(key.publicKey, random)],
      [concat(r, littleEndian((order - s) % order)), key.publicKey], [concat(twisted(r), littleEndian(s)), key.publicKey], [signature, twisted(key.publicKey)],
    ];
    for (const [given, by] of variants) {
      assert.equal(product.verifySignature(plain(given), plain(message), plain(by)), verify(given, message, by), `signature ${hex(given)} key ${hex(by)} message ${hex(message)}`);
    }
  }
});

/** What statements do to which device: two branches may do the same. */
const effects = (statements: readonly Uint8Array[]) => [...new Set(statements.map((s) => parseStatement(s)).map(({ action, device }) => `${action} ${hex(device)}`))].sort();

it('of chains, of what lacks in them, and of what they add up to', (test) => {
  const random = new Random();
  test.diagnostic(`SEED=${random.seed}`);
  for (let round = 0; round < 5; ++round) {
    const account = accountOf(randomBytes(32));
    const devices = Array.from({ length: 5 }, () => new SigningKey().publicKey);
    const [mine, theirs] = [new DeviceSet(), new product.DeviceSet(accountId, plain(account.key.publicKey))];
    let trunk: Uint8Array[] = [];
    for (let branch = 0; branch < 4; ++branch) {
      const { chain } = DeviceChain.read(accountId, account.key.publicKey, trunk.slice(0, random.between(0, trunk.length)));
      const other = product.DeviceChain.read(accountId, plain(account.key.publicKey), chain.statements.map(plain)).chain;
      for (let step = 0; step < 12; ++step) {
        const statement: Statement = {
          account: accountId,
          n: BigInt(chain.statements.length + 1 + (random.next() < 0.05 ? random.between(-1, 1) : 0)),
          previous: random.next() < 0.05 ? randomBytes(32) : chain.head,
          action: random.next() < 0.05 ? random.between(0, 3) : random.between(1, 2),
          device: random.next() < 0.05 ? randomBytes(32) : devices[random.between(0, devices.length - 1)]!,
          kind: random.next() < 0.05 ? random.between(0, 3) : 1,
          time: random.next() < 0.05 ? 2n ** 53n : BigInt(random.between(0, 2 ** 31)),
          sealedName: Buffer.alloc(0),
        };
        const named = { ...statement, sealedName: statement.action === 2 ? Buffer.alloc(random.next() < 0.05 ? 80 : 0) : randomBytes(random.between(72, 273)) };
        const signed = signStatement(account.key, named);
        const given = random.next() < 0.2 ? damaged(signed, random) : signed;
        let rule: string | null = null;
        try {
          chain.append(given);
        } catch (error) {
          if (!(error instanceof Invalid)) throw error;
          rule = error.rule;
        }
        assert.equal(outcome(() => other.append(plain(given))), rule === null, `${rule}: ${base64(given)}`);
      }
      assert.equal(hex(other.head), hex(chain.head));
      mine.learn(chain);
      theirs.learn(chain.statements.map(plain));
      assert.equal(theirs.digest(), mine.digest());
      const shown = DeviceChain.read(accountId, account.key.publicKey, chain.statements.slice(0, random.between(0, chain.statements.length))).chain;
      const shownThere = product.DeviceChain.read(accountId, plain(account.key.publicKey), shown.statements.map(plain)).chain;
      assert.deepEqual(effects(theirs.lacking(shownThere)), effects(mine.lacking(shown)));
      trunk = chain.statements;
    }
  }
});

it('of boxes and acts', async (test) => {
  const random = new Random();
  test.diagnostic(`SEED=${random.seed}`);
  const secret = randomBytes(32);
  const account = accountOf(secret);
  const keys = await product.accountFromSecret(plain(secret));
  const device = new SigningKey();
  const pair = product.signKeyPair(plain(device.seed));
  const place = { label: labels.dataKey, account: accountId, contentKey: account.content.publicKey, scope: 'session' };
  for (let round = 0; round < 60; ++round) {
    const payload = randomBytes(random.next() < 0.2 ? random.between(0, 64) : 32);
    const sealed = damaged(Buffer.from(sealSigned(payload, random.next() < 0.2 ? { ...place, scope: 'machine' } : place, device), 'base64'), random);
    const text = base64(sealed);
    assert.equal(
      outcome(() => product.openDataKey(text, 'session', accountId, keys.content)), outcome(() => openSigned(text, place, account.content.secretKey)), text,
    );
    const [bundle, kind, scope] = [randomBytes(16), 'rpc-request:permission' as const, '01a00000-0000-7000-8000-0000000005e1'];
    const value = JSON.stringify({ d: 'Grüße 👩‍💻'.slice(0, random.between(0, 9)) });
    const mine = signAct(value, { account: accountId, scope, kind, bundle }, device);
    const theirs = product.signAct(value, { accountId, scope, kind }, plain(bundle), pair);
    assert.deepEqual(JSON.parse(mine), JSON.parse(JSON.stringify(theirs)));
    const changed = random.next() < 0.5 ? mine : damaged(Buffer.from(mine), random).toString();
    const at = random.next() < 0.8 ? bundle : randomBytes(16);
    const good = outcome(() => {
      const act = product.parseAct(plain(Buffer.from(changed)));
      if (!product.verifyAct(act, { accountId, scope, kind }, plain(at))) throw new Error('no');
    });
    assert.equal(good, outcome(() => readAct(changed, { account: accountId, scope, kind, bundle: at })), changed);
  }
});
