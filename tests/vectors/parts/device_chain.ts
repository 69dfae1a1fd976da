import { base64, concat, hex, sha256, u64be, utf8, type Bytes } from '../../support/independent/bytes.ts';
import { encode, littleEndian, multiply, plusOrder, torsion, add, base, SigningKey } from '../../support/independent/ed25519.ts';
import {
  body, DeviceChain, DeviceSet, signStatement, statementHash, type Kind, type Rule, type Statement,
} from '../../support/independent/statement.ts';
import { account, accountId, bytesOf, described, describedAccount, describedDevice, device, otherAccount, otherAccountId, otherSecret, sealedName, secret } from './given.ts';

const start = 1_750_000_000_000;

interface Step {
  action: 'add' | 'revoke';
  device: string;
  kind: Kind;
}

const added = (name: string, kind: Kind): Step => ({ action: 'add', device: name, kind });
const revoked = (name: string, kind: Kind): Step => ({ action: 'revoke', device: name, kind });

/** The chain of these steps, going on from `from`. */
function chainOf(steps: Step[], from: readonly Bytes[] = []): DeviceChain {
  const { chain } = DeviceChain.read(accountId, account.key.publicKey, from);
  for (const { action, device: name, kind } of steps) {
    const time = start + 1000 * chain.statements.length;
    chain.append(chain.next(account.key, action, device(name).publicKey, kind, time, action === 'add' ? sealedName(name) : undefined));
  }
  return chain;
}

const texts = (statements: readonly Bytes[]) => statements.map(base64);
const digestOf = (...chains: DeviceChain[]) => {
  const set = new DeviceSet();
  for (const chain of chains) set.learn(chain);
  return set.digest();
};

const standing = (chain: DeviceChain) => ({
  good: [...chain.devices.values()].filter(({ revoked }) => !revoked).map(({ key }) => base64(key)),
  revoked: [...chain.devices.values()].filter(({ revoked }) => revoked).map(({ key }) => base64(key)),
});

const usual: Step[] = [
  added('browser one', 'browser'), added('agent one', 'agent'), added('agent two', 'agent'), revoked('agent one', 'agent'),
  added('browser two', 'browser'), added('agent three', 'agent'), revoked('browser two', 'browser'),
];

export function deviceChain() {
  const main = chainOf(usual);

  const good = [
    { name: 'nothing yet', chain: chainOf([]) },
    { name: 'one browser', chain: chainOf(usual.slice(0, 1)) },
    { name: 'made by an agent', chain: chainOf([added('agent one', 'agent')]) },
    { name: 'seven statements', chain: main },
    { name: 'all revoked', chain: chainOf([...usual.slice(0, 1), revoked('browser one', 'browser')]) },
  ];

  // ------------------------------------------------------------------------------------------------- bad ones
  const bad: Record<string, unknown>[] = [];
  /** `next` is the bad statement behind the first `after` of the main chain; a good one follows, which counts no more. */
  const put = (name: string, rule: Rule, next: Bytes, after: 0 | 7 = 7) => {
    const { chain, broken } = DeviceChain.read(accountId, account.key.publicKey, [...main.statements.slice(0, after), next]);
    if (broken !== rule || chain.statements.length !== after) throw new Error(`${name}: broken is ${broken} at ${chain.statements.length}`);
    const behind = chain.next(account.key, 'add', device('behind').publicKey, 'agent', start, sealedName('behind'));
    const formAlone = ['form', 'action', 'kind', 'time', 'name-length', 'device-key'].includes(rule);
    bad.push({ name, rule, form: formAlone, after, statement: base64(next), behind: base64(behind), ends: after, devices: digestOf(chain) });
  };

  const plain: Statement = {
    account: accountId, n: 8n, previous: main.head, action: 1, device: device('next').publicKey, kind: 1, time: BigInt(start + 8000), sealedName: sealedName('next'),
  };
  const signed = (changes: Partial<Statement>, key = account.key) => signStatement(key, { ...plain, ...changes });
  const right = signed({});
  const cut = (bytes: Bytes, at: number, replacement: Bytes) => {
    const changed = concat(bytes.subarray(0, at), replacement, bytes.subarray(at + replacement.length, -64));
    return concat(changed, account.key.sign(changed));
  };

  put('no bytes', 'form', Buffer.alloc(0));
  put('another label', 'form', cut(right, 28, utf8('2')));
  put('a label without its end of line', 'form', cut(right, 29, utf8(' ')));
  put('cut short by one byte', 'form', right.subarray(0, -1));
  put('a byte left over', 'form', concat(right, Buffer.of(0)));
  {
    const longer = concat(right.subarray(0, -64), Buffer.of(0));
    put('a signed byte left over', 'form', concat(longer, account.key.sign(longer)));
  }
  put('a sealed name said to be longer than the statement', 'form', cut(right, right.length - 64 - plain.sealedName.length - 2, Buffer.from([0xff, 0xff])));
  put('another account id', 'account', signed({ account: otherAccountId }));
  put('of another account: its id and its key', 'account', signed({ account: otherAccountId }, otherAccount.key));
  put('n = 0', 'n', signed({ n: 0n }));
  put('n of the one before', 'n', signed({ n: 7n }));
  put('n one too high', 'n', signed({ n: 9n }));
  put('n = 2^64 - 1', 'n', signed({ n: 2n ** 64n - 1n }));
  put('the first with n = 0', 'n', signed({ n: 0n, previous: Buffer.alloc(32) }), 0);
  put('the first with n = 2', 'n', signed({ n: 2n, previous: Buffer.alloc(32) }), 0);
  put('the statement before once more', 'n', main.statements[6]!);
  put('previous is zeros', 'previous', signed({ previous: Buffer.alloc(32) }));
  put('previous is the one before the last', 'previous', signed({ previous: statementHash(main.statements[5]!) }));
  put('previous is the hash without the signature', 'previous', signed({ previous: sha256(main.statements[6]!.subarray(0, -64)) }));
  put('the first with a previous', 'previous', signed({ n: 1n, previous: bytesOf('previous') }), 0);
  put('action 0', 'action', signed({ action: 0, sealedName: Buffer.alloc(0) }));
  put('action 3', 'action', signed({ action: 3 }));
  put('kind 0', 'kind', signed({ kind: 0 }));
  put('kind 3', 'kind', signed({ kind: 3 }));
  put('time 2^53', 'time', signed({ time: 2n ** 53n }));
  put('time 2^64 - 1', 'time', signed({ time: 2n ** 64n - 1n }));
  put('add with a sealed name of 72 bytes', 'name-length', signed({ sealedName: plain.sealedName.subarray(0, 72) }));
  put('add without a sealed name', 'name-length', signed({ sealedName: Buffer.alloc(0) }));
  put('add with a sealed name of 273 bytes', 'name-length', signed({ sealedName: Buffer.alloc(273, 7) }));
  const revocation: Partial<Statement> = { action: 2, device: device('agent two').publicKey, kind: 1, sealedName: Buffer.alloc(0) };
  put('revoke with a sealed name', 'name-length', signed({ ...revocation, sealedName: plain.sealedName }));
  put('revoke with a sealed name of one byte', 'name-length', signed({ ...revocation, sealedName: Buffer.of(0) }));

  put('a device key of small order (zero)', 'device-key', signed({ device: littleEndian(1n) }));
  put('a device key of small order (8)', 'device-key', signed({ device: encode(torsion) }));
  put('a device key that is not canonical', 'device-key', signed({ device: littleEndian(2n ** 255n - 19n + 3n) }));
  put('a device key that is no point', 'device-key', signed({ device: littleEndian(2n) }));
  put('a device key of mixed order', 'device-key', signed({ device: encode(add(multiply(5n, base), torsion)) }));

  put('signed by another account', 'signature', signed({}, otherAccount.key));
  put('signed by the device itself', 'signature', signed({}, device('next')));
  put('a bit of the signature', 'signature', Buffer.from(right.map((byte, i) => (i === right.length - 1 ? byte ^ 1 : byte))));
  put('a bit of the sealed name', 'signature', Buffer.from(right.map((byte, i) => (i === right.length - 65 ? byte ^ 1 : byte))));
  put('a signature of zeros', 'signature', concat(body(plain), Buffer.alloc(64)));
  put('S + L', 'signature', concat(right.subarray(0, -64), plusOrder(right.subarray(-64))));
  put('the first with S + L', 'signature', concat(main.statements[0]!.subarray(0, -64), plusOrder(main.statements[0]!.subarray(-64))), 0);

  put('adds a device that is good', 'known', signed({ device: device('agent two').publicKey, sealedName: sealedName('agent two') }));
  put('adds a device that is good with another kind', 'known', signed({ device: device('agent two').publicKey, kind: 2, sealedName: sealedName('agent two') }));
  put('adds a device that was revoked', 'known', signed({ device: device('agent one').publicKey, sealedName: sealedName('agent one') }));
  put('revokes a device that the chain never named', 'unknown', signed({ ...revocation, device: device('next').publicKey }));
  put('the first revokes', 'unknown', signed({ ...revocation, n: 1n, previous: Buffer.alloc(32) }), 0);
  put('revokes with another kind', 'other-kind', signed({ ...revocation, kind: 2 }));
  put('revokes a device a second time', 'twice', signed({ ...revocation, device: device('agent one').publicKey }));

  // ------------------------------------------------------------------------------------------------- the edges, good
  const edges = [
    { name: 'time 0', statement: signed({ time: 0n }) },
    { name: 'time 2^53 - 1', statement: signed({ time: 2n ** 53n - 1n }) },
    { name: 'an earlier time than the one before', statement: signed({ time: 1n }) },
    { name: 'a sealed name of 73 bytes that does not open', statement: signed({ sealedName: Buffer.alloc(73, 7) }) },
    { name: 'a sealed name of 272 bytes that does not open', statement: signed({ sealedName: Buffer.alloc(272, 7) }) },
    { name: 'the account key as a device', statement: signed({ device: account.key.publicKey }) },
  ].map(({ name, statement }) => {
    const { chain, broken } = DeviceChain.read(accountId, account.key.publicKey, [...main.statements, statement]);
    if (broken) throw new Error(`${name}: ${broken}`);
    return { name, after: 7, statement: base64(statement), devices: digestOf(chain) };
  });

  // ------------------------------------------------------------------------------------------------- another account key
  const badKeys = [
    { name: 'an account key of small order', publicKey: encode(multiply(2n, torsion)) },
    { name: 'an account key that is not canonical', publicKey: littleEndian(2n ** 255n - 19n + 3n) },
    { name: 'another account key', publicKey: otherAccount.key.publicKey },
  ].map(({ name, publicKey }) => {
    const { chain, broken } = DeviceChain.read(accountId, publicKey, main.statements);
    if (broken !== 'signature' || chain.statements.length !== 0) throw new Error(name);
    return { name, rule: broken, publicKey: base64(publicKey), ends: 0 };
  });

  // ------------------------------------------------------------------------------------------------- what lacks
  const views: Record<string, unknown>[] = [];
  const view = (name: string, kept: DeviceChain[], relay: DeviceChain, expected: 'nothing' | 'rest' | 'alarm', note: string) => {
    const set = new DeviceSet();
    for (const chain of kept) set.learn(chain);
    const lacking = set.lacking(relay);
    const rest = set.rest(relay);
    const outcome = lacking.length === 0 ? 'nothing' : rest !== undefined && rest.length > 0 ? 'rest' : 'alarm';
    if (outcome !== expected) throw new Error(`${name}: ${outcome}`);
    const after = new DeviceSet();
    for (const chain of [...kept, relay]) after.learn(chain);
    views.push({
      name, note, kept: kept.map(({ statements }) => texts(statements)), relay: texts(relay.statements), lacking: lacking.map((s) => hex(statementHash(s))),
      outcome, ...(outcome === 'rest' ? { post: texts(rest!) } : {}), devicesBefore: set.digest(), devicesAfter: after.digest(),
      after: after.devices().map(({ key, kind, revoked }) => ({ device: base64(key), kind: kind === 1 ? 'agent' : 'browser', revoked })),
    });
  };
  const five = chainOf(usual.slice(0, 5));
  const fork = chainOf([added('browser three', 'browser')], five.statements);
  const takenOver = chainOf([added('agent three', 'agent'), revoked('browser two', 'browser')], fork.statements);
  view('the same', [main], main, 'nothing', 'No alarm.');
  view('the relay has more', [five], main, 'nothing', 'No alarm; what is new is learnt.');
  view('a shorter chain', [main], five, 'rest', 'Case 1: the client posts the rest. If the relay then still shows this chain: alarm. The devices stay as they are.');
  view('an empty chain', [main], chainOf([]), 'rest', 'Everything is posted.');
  view('a restored backup that went on', [main], fork, 'alarm', 'Case 2: the union counts. Only a person lets a browser append what lacks.');
  view('a restored backup that went on, seen again', [main, fork], fork, 'alarm', 'The chain is a kept branch itself: there is no rest to post.');
  view('taken over', [main, fork], takenOver, 'nothing', 'Case 2, after what lacked was appended: another n for the same effects.');
  view('the other of two branches', [five, fork], main, 'alarm', 'The addition of browser three is in no statement of the relay.');
  view('another branch that revokes', [main], chainOf([revoked('agent two', 'agent'), added('agent three', 'agent'), revoked('browser two', 'browser')], five.statements), 'nothing', 'All effects are there; a revocation is learnt.');
  view('a revocation left out', [main], chainOf([added('agent three', 'agent'), added('browser three', 'browser')], five.statements), 'alarm', 'The revocation of browser two lacks. It stays revoked.');

  // ------------------------------------------------------------------------------------------------- as many as there may be
  const manyKey = (i: number) => new SigningKey(sha256(utf8('vector many'), u64be(i)));
  const name73 = Buffer.alloc(73, 9);
  const many = new Builder();
  for (let i = 1; i <= 2048; ++i) many.add({ action: 1, device: manyKey(i).publicKey, kind: 1, sealedName: name73 });
  const afterAdditions = many.previous;
  const tooMany = many.sign({ action: 1, device: manyKey(2049).publicKey, kind: 1, sealedName: name73 });
  for (let i = 1; i <= 2048; ++i) many.add({ action: 2, device: manyKey(i).publicKey, kind: 1, sealedName: Buffer.alloc(0) });
  const afterAll = many.previous;
  const last = many.sign({ action: 1, device: manyKey(2049).publicKey, kind: 1, sealedName: name73 });

  return {
    about: 'The device chain (docs/protocol.md). Made by tests/vectors/make.ts. Bytes in base64, hashes in hex, ids as text.',
    notes: [
      'invalid and edges: `statement` comes after the first `after` of `statements`. An invalid one breaks `rule` alone, the chain ends with `ends` statements, and `behind`, which would follow them, is not taken. `form` says that the statement is wrong by itself, whatever the chain.',
      'rules: form (label, length, bytes left over), account, n, previous, action, kind, time, name-length, device-key, signature, known (adds what the chain has named), unknown (revokes what it has not), other-kind, twice (revokes a second time), too-many.',
      'invalidAccountKeys: `publicKey` in the place of the account key, and the seven `statements`: the chain is empty, already the first signature is refused.',
      'A device key is checked like every key (ed25519.json): canonical, of the prime-order group, not zero. The definition says it of keys in general.',
      'views: `kept` branches and the relay\'s chain. outcome: nothing = nothing lacks; rest = the relay\'s chain is the beginning of a kept branch, post `post`; alarm. devicesAfter is the digest once the relay\'s chain was learnt too.',
      'many: device key i is that of the seed SHA-256("vector many" ‖ i u64be), kind 1, time 1750000000000 + n, sealed name 73 times 0x09. 2 048 additions, then their revocations in the same order.',
    ],
    account: describedAccount(secret, accountId),
    otherAccount: describedAccount(otherSecret, otherAccountId),
    devices: Object.fromEntries(
      [...new Map(usual.map(({ device: name, kind }) => [name, kind])), ['browser three', 'browser'], ['next', 'agent'], ['behind', 'agent']]
        .map(([name, kind]) => [name, describedDevice(name as string, kind as string)]),
    ),
    statements: main.statements.map(described),
    valid: good.map(({ name, chain }) => ({ name, statements: texts(chain.statements), head: hex(chain.head), devices: digestOf(chain), ...standing(chain) })),
    edges,
    invalid: bad,
    invalidAccountKeys: badKeys,
    views,
    many: {
      additions: 2048,
      headAfterAdditions: hex(afterAdditions),
      next: { rule: 'too-many', statement: base64(tooMany) },
      headAfterRevocations: hex(afterAll),
      last: { rule: 'too-many', n: 4097, statement: base64(last) },
    },
  };
}

/** Signs a long chain without checking it. */
class Builder {
  previous: Buffer = Buffer.alloc(32);
  n = 0;

  sign(s: Pick<Statement, 'action' | 'device' | 'kind' | 'sealedName'>): Buffer {
    const n = this.n + 1;
    return signStatement(account.key, { ...s, account: accountId, n: BigInt(n), previous: this.previous, time: BigInt(start + n) });
  }

  add(s: Pick<Statement, 'action' | 'device' | 'kind' | 'sealedName'>): void {
    this.previous = statementHash(this.sign(s));
    ++this.n;
  }
}
