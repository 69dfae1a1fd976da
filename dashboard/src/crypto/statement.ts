// The chain of devices: which devices belong to an account, said by the account's key (docs/protocol.md, "Device chain").
// The relay only carries it. The twin of consortium::device_chain in common; both read tests/vectors/device_chain.json.
import { isPublicKey, sign, verifySignature } from "./account.ts";
import { type Bytes, concat, equalBytes, len16, owned, toHex, u64be, utf8, uuidBytes, uuidText } from "./bytes.ts";
import { CryptoError } from "./errors.ts";
import { sha256 } from "./hash.ts";

export type DeviceKind = "agent" | "browser";
export type StatementAction = "add" | "revoke";

export interface DeviceStatement {
  readonly accountId: string;
  /** 1, 2, 3 … */
  readonly n: number;
  /** SHA-256 of the statement before, with its signature; zeros for n = 1. */
  readonly previous: Bytes;
  readonly action: StatementAction;
  readonly device: Bytes;
  readonly kind: DeviceKind;
  /** Milliseconds, for display. */
  readonly time: number;
  /** Box bundle of the name to the account's content key; empty when it revokes. */
  readonly sealedName: Bytes;
  readonly signature: Bytes;
}

/** What is wrong with a statement: its form (form to device-key), or that it cannot stand where it does. */
export type StatementRule =
  | "form" | "action" | "kind" | "time" | "name-length" | "device-key"
  | "account" | "n" | "previous" | "signature"
  | "known" // adds what the chain has named
  | "unknown" // revokes what it has not
  | "other-kind"
  | "twice" // revokes a second time
  | "too-many";

const ruleWords: Readonly<Record<StatementRule, string>> = {
  form: "it has not the form of one",
  action: "its action is unknown",
  kind: "its kind of device is unknown",
  time: "its time is out of range",
  "name-length": "its sealed name has the wrong length",
  "device-key": "the device's key is not usable",
  account: "it is of another account",
  n: "it has another number than the next",
  previous: "it does not follow the one before it",
  signature: "it is not signed by the account",
  known: "it adds a device that the chain has named before",
  unknown: "it revokes a device that the chain never named",
  "other-kind": "it names another kind than the device has",
  twice: "it revokes a device a second time",
  "too-many": "there are too many devices",
};

export class StatementError extends CryptoError {
  readonly rule: StatementRule;

  constructor(rule: StatementRule) {
    super(rule === "signature" || rule === "account" ? "not-authentic" : "bad-format", `A statement about a device is refused: ${ruleWords[rule]}.`);
    this.rule = rule;
  }
}

export type Standing = "unknown" | "good" | "revoked";

/** What statements say of one device. */
export interface StatedDevice {
  readonly key: Bytes;
  readonly kind: DeviceKind;
  readonly addedAt: number;
  readonly revokedAt: number | null;
  readonly sealedName: Bytes;
}

const label = utf8("consortium device statement 1\n");
const actions: readonly StatementAction[] = ["add", "revoke"];
const kinds: readonly DeviceKind[] = ["agent", "browser"];
const hashBytes = 32;
const signatureBytes = 64;
/** A box bundle of 1 to 200 bytes. */
const sealedNameBytesMin = 73;
const sealedNameBytesMax = 272;
export const deviceNameBytesMax = 200;
const fixedBytes = label.length + 16 + 8 + hashBytes + 1 + 32 + 1 + 8 + 2;
export const additionsMax = 2048;
/** Each device is revoked once at most. */
export const statementsMax = 2 * additionsMax;

export function kindByte(kind: DeviceKind): number {
  return kinds.indexOf(kind) + 1;
}

/** Its form alone. Throws StatementError. */
export function parseStatement(bytes: Uint8Array): DeviceStatement {
  if (bytes.length < fixedBytes + signatureBytes) throw new StatementError("form");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (size: number) => owned(bytes.subarray(at, (at += size)));
  if (!equalBytes(take(label.length), label)) throw new StatementError("form");
  const accountId = uuidText(take(16));
  // Beyond 2^53 not exact, but far beyond every chain.
  const n = Number(view.getBigUint64(at));
  at += 8;
  const previous = take(hashBytes);
  const action = actions[(bytes[at++] as number) - 1];
  const device = take(32);
  const kind = kinds[(bytes[at++] as number) - 1];
  const time = Number(view.getBigUint64(at));
  at += 8;
  const nameBytes = view.getUint16(at);
  at += 2;
  if (bytes.length !== fixedBytes + nameBytes + signatureBytes) throw new StatementError("form");
  if (action === undefined) throw new StatementError("action");
  if (kind === undefined) throw new StatementError("kind");
  if (!Number.isSafeInteger(time)) throw new StatementError("time");
  if (action === "add" ? nameBytes < sealedNameBytesMin || nameBytes > sealedNameBytesMax : nameBytes !== 0) throw new StatementError("name-length");
  if (!isPublicKey(device)) throw new StatementError("device-key");
  return { accountId, n, previous, action, device, kind, time, sealedName: take(nameBytes), signature: take(signatureBytes) };
}

export function signedPart(statement: Omit<DeviceStatement, "signature">): Bytes {
  const { accountId, n, previous, action, device, kind, time, sealedName } = statement;
  return concat(
    label,
    uuidBytes(accountId),
    u64be(n),
    previous,
    Uint8Array.of(actions.indexOf(action) + 1),
    device,
    Uint8Array.of(kindByte(kind)),
    u64be(time),
    len16(sealedName),
  );
}

export function signStatement(accountSecret: Uint8Array, statement: Omit<DeviceStatement, "signature">): Bytes {
  const text = signedPart(statement);
  return concat(text, sign(text, accountSecret));
}

export function statementHash(bytes: Uint8Array): Bytes {
  return sha256(bytes);
}

function isSigned(bytes: Uint8Array, accountKey: Uint8Array): boolean {
  return verifySignature(bytes.subarray(bytes.length - signatureBytes), bytes.subarray(0, bytes.length - signatureBytes), accountKey);
}

/** What two statements must have in common to do the same. */
function effectOf({ action, device }: DeviceStatement): string {
  return `${action} ${toHex(device)}`;
}

/** Which rule keeps `statement` from following where its device stands so. Null: none. */
function brokenRule(statement: DeviceStatement, added: DeviceKind | undefined, revoked: boolean, additions: number): StatementRule | null {
  if (statement.action === "add") return added !== undefined ? "known" : additions >= additionsMax ? "too-many" : null;
  if (added === undefined) return "unknown";
  if (added !== statement.kind) return "other-kind";
  return revoked ? "twice" : null;
}

/** One branch, valid from its first statement under one account's id and key. */
export class DeviceChain {
  readonly accountId: string;
  readonly accountKey: Bytes;
  #statements: Bytes[] = [];
  #head: Bytes = new Uint8Array(hashBytes);
  #devices = new Map<string, StatedDevice>();
  #effects = new Set<string>();
  #seen: DeviceSet | null;

  /** With `seen`, the signatures of statements that are in it are not computed again. */
  constructor(accountId: string, accountKey: Uint8Array, seen: DeviceSet | null = null) {
    this.accountId = accountId;
    this.accountKey = owned(accountKey);
    this.#seen = seen;
  }

  /** As far as it is valid: the first invalid statement ends a chain. `problem` says why it ended there. */
  static read(accountId: string, accountKey: Uint8Array, statements: readonly Uint8Array[], seen: DeviceSet | null = null): { chain: DeviceChain; problem: StatementError | null } {
    const chain = new DeviceChain(accountId, accountKey, seen);
    try {
      for (const statement of statements) chain.append(statement);
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      return { chain, problem: error };
    }
    return { chain, problem: null };
  }

  get size(): number {
    return this.#statements.length;
  }

  /** Hash of the last statement; zeros when there is none. */
  get head(): Bytes {
    return this.#head;
  }

  get statements(): readonly Bytes[] {
    return this.#statements;
  }

  get devices(): readonly StatedDevice[] {
    return [...this.#devices.values()];
  }

  find(key: Uint8Array): StatedDevice | undefined {
    return this.#devices.get(toHex(key));
  }

  /** Whether a statement in it does the same to the same device. */
  does(statement: DeviceStatement): boolean {
    return this.#effects.has(effectOf(statement));
  }

  /** Throws StatementError, with the rule that it breaks. */
  append(bytes: Uint8Array): void {
    const statement = parseStatement(bytes);
    if (statement.accountId !== this.accountId) throw new StatementError("account");
    if (statement.n !== this.size + 1) throw new StatementError("n");
    if (!equalBytes(statement.previous, this.#head)) throw new StatementError("previous");
    if (this.#seen?.has(bytes) !== true && !isSigned(bytes, this.accountKey)) throw new StatementError("signature");
    const id = toHex(statement.device);
    const known = this.#devices.get(id);
    const broken = brokenRule(statement, known?.kind, known !== undefined && known.revokedAt !== null, this.#devices.size);
    if (broken !== null) throw new StatementError(broken);

    const { kind, time, sealedName } = statement;
    this.#devices.set(id, known === undefined ? { key: statement.device, kind, addedAt: time, revokedAt: null, sealedName } : { ...known, revokedAt: time });
    this.#effects.add(effectOf(statement));
    this.#statements.push(owned(bytes));
    this.#head = statementHash(bytes);
  }

  /** The next statement of this chain, signed. It is not appended. */
  next(accountSecret: Uint8Array, what: Pick<DeviceStatement, "action" | "device" | "kind" | "time" | "sealedName">): Bytes {
    return signStatement(accountSecret, { ...what, accountId: this.accountId, n: this.size + 1, previous: this.#head });
  }
}

interface Node {
  readonly bytes: Bytes;
  readonly hash: string;
  readonly statement: DeviceStatement;
  readonly before: Node | null;
}

const rootHash = "0".repeat(2 * hashBytes);

/** All branches that were ever seen of one account, together. What was seen stays. */
export class DeviceSet {
  readonly accountId: string;
  readonly accountKey: Bytes;
  /** By hash, in the order they were learned: none before the one it follows. */
  #nodes = new Map<string, Node>();
  #devices = new Map<string, StatedDevice>();

  constructor(accountId: string, accountKey: Uint8Array) {
    this.accountId = accountId;
    this.accountKey = owned(accountKey);
  }

  /**
   * Takes what is valid of these, each as part of its own branch, and returns what was new. `trusted`: they were verified before
   * (our own memory, or a DeviceChain's), so the signatures are not computed again.
   */
  learn(statements: readonly Uint8Array[], { trusted = false } = {}): Bytes[] {
    const learned: Bytes[] = [];
    let waiting = statements.flatMap((bytes) => {
      const hash = toHex(statementHash(bytes));
      if (this.#nodes.has(hash)) return [];
      try {
        return [{ bytes: owned(bytes), hash, statement: parseStatement(bytes) }];
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error;
        return [];
      }
    });
    // Usually one pass is enough; more when some stand before the one that they follow.
    for (let more = true; more && waiting.length > 0; ) {
      more = false;
      const left: typeof waiting = [];
      for (const candidate of waiting) {
        const previous = toHex(candidate.statement.previous);
        const before = previous === rootHash ? null : this.#nodes.get(previous);
        if (before === undefined) {
          left.push(candidate);
          continue;
        }
        more = true;
        if (this.#nodes.has(candidate.hash) || !this.#follows(candidate.statement, before)) continue;
        if (!trusted && !isSigned(candidate.bytes, this.accountKey)) continue;
        this.#nodes.set(candidate.hash, { ...candidate, before });
        this.#count(candidate.statement);
        learned.push(candidate.bytes);
      }
      waiting = left;
    }
    return learned;
  }

  learnChain(chain: DeviceChain): Bytes[] {
    if (chain.accountId !== this.accountId || !equalBytes(chain.accountKey, this.accountKey)) throw new Error("A chain of another account.");
    return this.learn(chain.statements, { trusted: true });
  }

  #follows(statement: DeviceStatement, before: Node | null): boolean {
    if (statement.accountId !== this.accountId || statement.n !== (before?.statement.n ?? 0) + 1) return false;
    let added: DeviceKind | undefined;
    let revoked = false;
    let additions = 0;
    for (let node = before; node !== null; node = node.before) {
      const { action, device, kind } = node.statement;
      if (action === "add") additions += 1;
      if (!equalBytes(device, statement.device)) continue;
      if (action === "add") added = kind;
      else revoked = true;
    }
    return brokenRule(statement, added, revoked, additions) === null;
  }

  #count(statement: DeviceStatement): void {
    const id = toHex(statement.device);
    const known = this.#devices.get(id);
    const { kind, time, sealedName, action } = statement;
    if (known === undefined) {
      // The first of a key adds it: a revocation follows an addition of its own branch.
      this.#devices.set(id, { key: statement.device, kind, addedAt: time, revokedAt: null, sealedName });
    } else if (action === "revoke") {
      this.#devices.set(id, { ...known, revokedAt: known.revokedAt ?? time });
    } else if (kindByte(kind) < kindByte(known.kind)) {
      // Two branches disagree, which no client of ours makes happen: all must count it alike, whatever they saw first.
      this.#devices.set(id, { ...known, kind });
    }
  }

  get size(): number {
    return this.#nodes.size;
  }

  has(bytes: Uint8Array): boolean {
    return this.#nodes.has(toHex(statementHash(bytes)));
  }

  find(key: Uint8Array): StatedDevice | undefined {
    return this.#devices.get(toHex(key));
  }

  get devices(): readonly StatedDevice[] {
    return [...this.#devices.values()];
  }

  standingOf(key: Uint8Array): Standing {
    const known = this.find(key);
    return known === undefined ? "unknown" : known.revokedAt === null ? "good" : "revoked";
  }

  kindOf(key: Uint8Array): DeviceKind | undefined {
    return this.find(key)?.kind;
  }

  /** All, none before the one it follows. */
  statements(): readonly Bytes[] {
    return [...this.#nodes.values()].map((node) => node.bytes);
  }

  /** What two clients compare: hex SHA-256 of key ‖ kind ‖ revoked of every device, in the order of the keys' bytes. */
  digest(): string {
    const sorted = [...this.#devices].sort(([a], [b]) => (a < b ? -1 : 1));
    return toHex(sha256(...sorted.map(([, { key, kind, revokedAt }]) => concat(key, Uint8Array.of(kindByte(kind), revokedAt === null ? 0 : 1)))));
  }

  /** Kept statements of which none in `chain` does the same, one for each effect, additions first. */
  lacking(chain: DeviceChain): readonly Bytes[] {
    const found = new Map<string, Node>();
    for (const node of this.#nodes.values()) {
      const effect = effectOf(node.statement);
      if (!chain.does(node.statement) && !found.has(effect)) found.set(effect, node);
    }
    return [...found.values()].sort((a, b) => actions.indexOf(a.statement.action) - actions.indexOf(b.statement.action)).map((node) => node.bytes);
  }

  /** What follows `chain` in the longest kept branch that it is a beginning of. Null when none goes on from it. */
  rest(chain: DeviceChain): readonly Bytes[] | null {
    const head = chain.size === 0 ? rootHash : toHex(chain.head);
    const longestFirst = [...this.#nodes.values()].filter((node) => node.statement.n > chain.size).sort((a, b) => b.statement.n - a.statement.n);
    for (const last of longestFirst) {
      const rest: Bytes[] = [];
      let at: Node | null = last;
      for (; at !== null && at.statement.n > chain.size; at = at.before) rest.push(at.bytes);
      if ((at?.hash ?? rootHash) === head) return rest.reverse();
    }
    return null;
  }
}
