/// The device chain: statements of the account key about the account's devices.

import { concat, fromBase64, hex, len16, sha256, u64be, utf8, uuidBytes, uuidText, type Bytes } from './bytes.ts';
import { isKey, verify, type SigningKey } from './ed25519.ts';
import { openBox, sealBox } from './box.ts';

export const label = utf8('consortium device statement 1\n');
export const kinds = { agent: 1, browser: 2 } as const;
export type Kind = keyof typeof kinds;
export const maxAdditions = 2048;

export type Rule =
  | 'form' | 'account' | 'n' | 'previous' | 'action' | 'kind' | 'time' | 'name-length' | 'device-key' | 'signature'
  | 'known' | 'unknown' | 'other-kind' | 'twice' | 'too-many';

export class Invalid extends Error {
  readonly rule: Rule;
  constructor(rule: Rule) {
    super(`a statement breaks the rule: ${rule}`);
    this.rule = rule;
  }
}

export interface Statement {
  readonly account: string;
  readonly n: bigint;
  readonly previous: Bytes;
  readonly action: number;
  readonly device: Bytes;
  readonly kind: number;
  readonly time: bigint;
  readonly sealedName: Bytes;
}

/** Everything before the signature. */
export function body(s: Statement): Buffer {
  return concat(
    label, uuidBytes(s.account), u64be(s.n), s.previous, Buffer.of(s.action), s.device, Buffer.of(s.kind), u64be(s.time), len16(s.sealedName),
  );
}

export function signStatement(key: SigningKey, s: Statement): Buffer {
  const unsigned = body(s);
  return concat(unsigned, key.sign(unsigned));
}

export const statementHash = (statement: Bytes): Buffer => sha256(statement);

/** Form alone: neither the signature nor the place in a chain. */
export function parseStatement(bytes: Bytes): Statement & { signed: Buffer; signature: Buffer } {
  const all = Buffer.from(bytes);
  const fixed = label.length + 16 + 8 + 32 + 1 + 32 + 1 + 8 + 2;
  if (all.length < fixed + 64 || !all.subarray(0, label.length).equals(label)) throw new Invalid('form');
  let at = label.length;
  const take = (count: number) => all.subarray(at, (at += count));
  const account = uuidText(take(16));
  const n = take(8).readBigUInt64BE();
  const previous = take(32);
  const action = take(1)[0]!;
  const device = take(32);
  const kind = take(1)[0]!;
  const time = take(8).readBigUInt64BE();
  const size = take(2).readUInt16BE();
  if (all.length !== fixed + size + 64) throw new Invalid('form');
  const sealedName = take(size);
  if (action !== 1 && action !== 2) throw new Invalid('action');
  if (kind !== 1 && kind !== 2) throw new Invalid('kind');
  if (time >= 2n ** 53n) throw new Invalid('time');
  if (action === 1 ? size < 73 || size > 272 : size !== 0) throw new Invalid('name-length');
  if (!isKey(device)) throw new Invalid('device-key');
  return { account, n, previous, action, device, kind, time, sealedName, signed: all.subarray(0, at), signature: all.subarray(at) };
}

export interface Known {
  readonly key: Buffer;
  readonly kind: number;
  revoked: boolean;
  readonly sealedName: Buffer;
}

/** One branch, checked from n = 1 on. */
export class DeviceChain {
  readonly account: string;
  readonly accountKey: Bytes;
  readonly statements: Buffer[] = [];
  readonly devices = new Map<string, Known>();

  constructor(account: string, accountKey: Bytes) {
    this.account = account;
    this.accountKey = accountKey;
  }

  /** Takes statements up to the first invalid one, whose rule it returns. */
  static read(account: string, accountKey: Bytes, statements: readonly (Bytes | string)[]): { chain: DeviceChain; broken?: Rule } {
    const chain = new DeviceChain(account, accountKey);
    for (const statement of statements) {
      try {
        chain.append(typeof statement === 'string' ? fromBase64(statement) : statement);
      } catch (error) {
        if (error instanceof Invalid) return { chain, broken: error.rule };
        throw error;
      }
    }
    return { chain };
  }

  get head(): Buffer {
    const last = this.statements.at(-1);
    return last ? statementHash(last) : Buffer.alloc(32);
  }

  find(key: Bytes): Known | undefined {
    return this.devices.get(hex(key));
  }

  append(bytes: Bytes): void {
    const s = parseStatement(bytes);
    if (s.account !== this.account) throw new Invalid('account');
    if (s.n !== BigInt(this.statements.length + 1)) throw new Invalid('n');
    if (!this.head.equals(s.previous)) throw new Invalid('previous');
    if (!verify(s.signature, s.signed, this.accountKey)) throw new Invalid('signature');
    const known = this.find(s.device);
    if (s.action === 1) {
      if (known) throw new Invalid('known');
      if (this.devices.size >= maxAdditions) throw new Invalid('too-many');
      this.devices.set(hex(s.device), { key: Buffer.from(s.device), kind: s.kind, revoked: false, sealedName: Buffer.from(s.sealedName) });
    } else {
      if (!known) throw new Invalid('unknown');
      if (known.kind !== s.kind) throw new Invalid('other-kind');
      if (known.revoked) throw new Invalid('twice');
      known.revoked = true;
    }
    this.statements.push(Buffer.from(bytes));
  }

  /** The next statement about a device, signed but not appended. */
  next(key: SigningKey, action: 'add' | 'revoke', device: Bytes, kind: Kind, time: number, sealedName: Bytes = Buffer.alloc(0)): Buffer {
    return signStatement(key, {
      account: this.account, n: BigInt(this.statements.length + 1), previous: this.head, action: action === 'add' ? 1 : 2, device,
      kind: kinds[kind], time: BigInt(time), sealedName,
    });
  }
}

/** Every statement ever seen, on any branch: what a client keeps of an account. */
export class DeviceSet {
  readonly branches: DeviceChain[] = [];

  learn(chain: DeviceChain): void {
    this.branches.push(chain);
  }

  /** A device is good when one statement adds it and none revokes it. */
  devices(): Known[] {
    const all = new Map<string, Known>();
    for (const { devices } of this.branches) {
      for (const [key, known] of devices) {
        const before = all.get(key) ?? known;
        // Branches that add it as different kinds are no client's work: the lower kind counts, whichever was seen first.
        all.set(key, { ...known, kind: Math.min(known.kind, before.kind), revoked: known.revoked || before.revoked });
      }
    }
    return [...all.values()].sort((a, b) => a.key.compare(b.key));
  }

  find(key: Bytes): Known | undefined {
    return this.devices().find((device) => device.key.equals(key));
  }

  digest(): string {
    return hex(sha256(...this.devices().map(({ key, kind, revoked }) => concat(key, Buffer.of(kind, revoked ? 1 : 0)))));
  }

  /** Every statement kept, each once. */
  statements(): Buffer[] {
    const all = new Map(this.branches.flatMap(({ statements }) => statements.map((s) => [hex(s), s] as const)));
    return [...all.values()];
  }

  /** The kept statements to which nothing in the relay's chain does the same. */
  lacking(relay: DeviceChain): Buffer[] {
    return this.statements().filter((bytes) => {
      const s = parseStatement(bytes);
      const there = relay.find(s.device);
      return s.action === 1 ? there === undefined : there?.revoked !== true;
    });
  }

  /** What continues the relay's chain on a kept branch, if it is the beginning of one. */
  rest(relay: DeviceChain): Buffer[] | undefined {
    const size = relay.statements.length;
    const branch = this.branches.filter(({ statements }) => relay.statements.every((s, i) => statements[i]?.equals(s)))
      .sort((a, b) => b.statements.length - a.statements.length)[0];
    return branch?.statements.slice(size);
  }
}

export const sealDeviceName = (name: string, contentKey: Bytes, given: { secret?: Bytes; nonce?: Bytes } = {}): Buffer =>
  sealBox(utf8(name), contentKey, given);

export const openDeviceName = (sealed: Bytes, contentSecret: Bytes): string => openBox(sealed, contentSecret).toString('utf8');

