// What this browser saw of an account and holds every relay to: devices, the keys of sessions and machines, counts, logs. One store,
// per account and across log ids; it outlives pages, a new log and a revocation, and goes when somebody signs out.
import {
  type Bytes, type DeviceChain, DeviceSet, type DeviceStatement, type StatedDevice, sha256, statementHash, toHex,
} from "../crypto/index.ts";
import type { Database } from "./database.ts";
import { LogMemory } from "./logmemory.ts";
import { coalesced, Signal } from "./signal.ts";

/** The key of a session or machine, and who sealed it; hex. Never replaced. */
export interface KeyPin {
  readonly device: string;
  readonly dataKeyHash: string;
  /** The signed box itself: what was pinned can be used, whatever the relay shows. */
  readonly sealed: string;
}

export interface PinVerdict {
  /** What counts from now on. */
  readonly pinned: KeyPin;
  /**
   * first: pinned now. same: as before. another: this is not what was pinned. elsewhere: this data key belongs to `at`, and nothing was
   * pinned here.
   */
  readonly verdict: "first" | "same" | "another" | "elsewhere";
  readonly at?: string;
}

export class KeyPins {
  #store: Part<KeyPin>;
  #byKey = new Map<string, string>();

  constructor(store: Part<KeyPin>) {
    this.#store = store;
    for (const [id, pin] of store.values) this.#byKey.set(pin.dataKeyHash, id);
  }

  get(id: string): KeyPin | undefined {
    return this.#store.values.get(id);
  }

  /** Holds what is shown as the key of this session or machine to what was first seen. */
  async see(id: string, device: Uint8Array, dataKey: Uint8Array, sealed: string): Promise<PinVerdict> {
    const given: KeyPin = { device: toHex(device), dataKeyHash: toHex(sha256(dataKey)), sealed };
    const at = this.#byKey.get(given.dataKeyHash);
    if (at !== undefined && at !== id && this.get(id) === undefined) return { pinned: given, verdict: "elsewhere", at };
    const known = this.get(id);
    const pinned = known ?? (await this.#store.update(id, (stored) => stored ?? given));
    if (known === undefined) this.#byKey.set(pinned.dataKeyHash, id);
    const same = pinned.device === given.device && pinned.dataKeyHash === given.dataKeyHash;
    return { pinned, verdict: !same ? "another" : known === undefined ? "first" : "same" };
  }
}

/** Of one session or machine, or of one field of it. */
interface Count {
  /** Highest `v` of its state, and what had it. */
  readonly v: number;
  readonly hash: string;
  /** Highest number of each sender. */
  readonly senders: Readonly<Record<string, number>>;
}

const uncounted: Count = { v: 0, hash: "", senders: {} };

function higher(a: Count, b: Count): Count {
  const senders = { ...a.senders };
  for (const [from, n] of Object.entries(b.senders)) senders[from] = Math.max(senders[from] ?? 0, n);
  return b.v > a.v ? { v: b.v, hash: b.hash, senders } : { v: a.v, hash: a.hash, senders };
}

export class Counts {
  #store: Part<Count>;
  #unwritten = new Set<string>();
  #write = coalesced(() => void this.flush(), 300);

  constructor(store: Part<Count>) {
    this.#store = store;
  }

  /** The highest `v` that was seen, and the hash of the state that had it. Null before the first. */
  state(id: string): { readonly v: number; readonly hash: string } | null {
    const count = this.#store.values.get(id);
    return count === undefined || count.v === 0 ? null : count;
  }

  /** Remembers a state, unless it goes back (a lower v) or is another of the same v. On disk once it resolves. */
  async sawState(id: string, v: number, hash: string): Promise<"forward" | "same" | "back" | "other"> {
    const known = this.#store.values.get(id) ?? uncounted;
    if (v < known.v) return "back";
    if (v === known.v) return hash === known.hash ? "same" : "other";
    await this.#put(id, { ...known, v, hash });
    return "forward";
  }

  /** The highest number of this sender; 0 before the first. */
  sender(id: string, from: string): number {
    return this.#store.values.get(id)?.senders[from] ?? 0;
  }

  /** Counts at once; on disk a moment later. */
  sawSender(id: string, from: string, n: number): void {
    if (n <= this.sender(id, from)) return;
    const known = this.#store.values.get(id) ?? uncounted;
    this.#store.values.set(id, { ...known, senders: { ...known.senders, [from]: n } });
    this.#unwritten.add(id);
    this.#write();
  }

  /** Writes what is only counted so far. */
  async flush(): Promise<void> {
    const ids = [...this.#unwritten];
    this.#unwritten.clear();
    for (const id of ids) await this.#put(id, this.#store.values.get(id) as Count);
  }

  async #put(id: string, count: Count): Promise<void> {
    this.#store.values.set(id, count);
    await this.#store.update(id, (stored) => (stored === undefined ? count : higher(stored, count)));
  }
}

/** The records of one kind of an account, all in memory; writes take in what other tabs wrote. */
export class Part<T> {
  readonly values = new Map<string, T>();
  #database: Database;
  #prefix: string;

  constructor(database: Database, prefix: string, all: readonly (readonly [string, unknown])[]) {
    this.#database = database;
    this.#prefix = prefix;
    for (const [key, value] of all) if (key.startsWith(prefix)) this.values.set(key.slice(prefix.length), value as T);
  }

  async update(id: string, change: (stored: T | undefined) => T): Promise<T> {
    const value = (await this.#database.update<T>("seen", this.#prefix + id, change)) as T;
    this.values.set(id, value);
    return value;
  }
}

/** What is remembered of the devices beside their statements. */
interface DeviceNotes {
  /** Statements, by hash, that this browser signed and whose way to the relay is not over. */
  readonly posting: readonly string[];
  /** Keys, hex, of devices that the person knows of: added here, listed at the first sign-in, or acknowledged. */
  readonly known: readonly string[];
}

const noNotes: DeviceNotes = { posting: [], known: [] };

export class Seen {
  readonly accountId: string;
  /** Every valid statement this browser saw on any branch, or signed. */
  readonly devices: DeviceSet;
  readonly pins: KeyPins;
  readonly counts: Counts;
  readonly log: LogMemory;
  /** Changes whenever `devices` or what is known of them did. */
  readonly changed = new Signal<number>(0);
  #statements: Part<readonly Bytes[]>;
  #notes: Part<DeviceNotes>;

  private constructor(database: Database, accountId: string, accountKey: Uint8Array, all: readonly (readonly [string, unknown])[]) {
    const part = <T>(name: string) => new Part<T>(database, `${accountId} ${name}`, all);
    this.accountId = accountId;
    this.devices = new DeviceSet(accountId, accountKey);
    this.pins = new KeyPins(part("pin "));
    this.counts = new Counts(part("count "));
    this.log = new LogMemory(database, accountId);
    this.#statements = part("statements");
    this.#notes = part("devices");
    this.devices.learn(this.#statements.values.get("") ?? [], { trusted: true });
  }

  static async open(database: Database, accountId: string, accountKey: Uint8Array): Promise<Seen> {
    return new Seen(database, accountId, accountKey, await database.all("seen"));
  }

  /** Takes what is valid of these statements, whatever branch they are of. On disk once it resolves, with what was new. */
  async learn(statements: readonly Uint8Array[]): Promise<readonly Bytes[]> {
    return this.#keep(this.devices.learn(statements));
  }

  async learnChain(chain: DeviceChain): Promise<readonly Bytes[]> {
    return this.#keep(this.devices.learnChain(chain));
  }

  async #keep(learned: readonly Bytes[]): Promise<readonly Bytes[]> {
    if (learned.length === 0) return learned;
    const kept = await this.#statements.update("", (stored = []) => {
      const there = new Set(stored.map((bytes) => toHex(statementHash(bytes))));
      return [...stored, ...this.devices.statements().filter((bytes) => !there.has(toHex(statementHash(bytes))))];
    });
    this.devices.learn(kept, { trusted: true });
    // Another tab of this browser may have added the device: then the person knows of it.
    await this.#note((notes) => notes);
    return learned;
  }

  /**
   * Signs what follows `chain` and keeps it: what was signed is out, whatever the relay answers. On disk once it resolves. The device
   * counts as known: this browser adds it itself.
   */
  async sign(chain: DeviceChain, accountSecret: Uint8Array, what: Pick<DeviceStatement, "action" | "device" | "kind" | "time" | "sealedName">): Promise<Bytes> {
    const statement = chain.next(accountSecret, what);
    await this.#note((notes) => ({ posting: [...notes.posting, toHex(statementHash(statement))], known: [...notes.known, toHex(what.device)] }));
    await this.learn([...chain.statements, statement]);
    return statement;
  }

  /** Statements signed here that the relay did not answer for yet. */
  get posting(): readonly Bytes[] {
    const open = new Set(this.#noted.posting);
    return open.size === 0 ? [] : this.devices.statements().filter((bytes) => open.has(toHex(statementHash(bytes))));
  }

  /** The relay answered for these: what it then does not show is lacking. */
  async posted(statements: readonly Uint8Array[]): Promise<void> {
    const done = new Set(statements.map((bytes) => toHex(statementHash(bytes))));
    if (this.#noted.posting.some((hash) => done.has(hash))) await this.#note((notes) => ({ ...notes, posting: notes.posting.filter((hash) => !done.has(hash)) }));
  }

  /** Kept statements that `chain` has no equal of, without those that are still on their way. */
  lacking(chain: DeviceChain): readonly Bytes[] {
    const onTheirWay = new Set(this.posting.map((bytes) => toHex(statementHash(bytes))));
    return this.devices.lacking(chain).filter((bytes) => !onTheirWay.has(toHex(statementHash(bytes))));
  }

  /** Devices that somebody else added, and that no person has acknowledged here. */
  get unannounced(): readonly StatedDevice[] {
    const known = new Set(this.#noted.known);
    return this.devices.devices.filter((device) => !known.has(toHex(device.key)));
  }

  async acknowledge(devices: readonly Pick<StatedDevice, "key">[]): Promise<void> {
    await this.#note((notes) => ({ ...notes, known: [...notes.known, ...devices.map((device) => toHex(device.key))] }));
  }

  get #noted(): DeviceNotes {
    return this.#notes.values.get("") ?? noNotes;
  }

  async #note(change: (notes: DeviceNotes) => DeviceNotes): Promise<void> {
    await this.#notes.update("", (stored = noNotes) => {
      const { posting, known } = change(stored);
      return { posting: [...new Set(posting)], known: [...new Set(known)] };
    });
    this.#touch();
  }

  #touch(): void {
    this.changed.set(this.changed.get() + 1);
  }
}

/** Which account a key opened here, and which of its accounts were deleted from here: those are never accepted again. */
export interface KnownAccount {
  readonly accountId: string | null;
  readonly deleted: readonly string[];
}

const knownAccountKey = (accountKey: Uint8Array) => `account ${toHex(accountKey)}`;

export async function knownAccount(database: Database, accountKey: Uint8Array): Promise<KnownAccount> {
  return (await database.get<KnownAccount>("seen", knownAccountKey(accountKey))) ?? { accountId: null, deleted: [] };
}

export async function noteAccount(database: Database, accountKey: Uint8Array, change: (known: KnownAccount) => KnownAccount): Promise<void> {
  await database.update<KnownAccount>("seen", knownAccountKey(accountKey), (stored) => change(stored ?? { accountId: null, deleted: [] }));
}

