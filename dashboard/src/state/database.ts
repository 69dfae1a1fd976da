// What this browser keeps: on disk, and in this page's memory where the disk takes nothing. Nothing fails for that reason; that it is so is
// said by `trouble`. What must be on disk before something is done goes through the methods that say whether it is (…OnDisk).
import { Disk, DiskError, type DiskFailure, storeNames, type StoreName } from "./disk.ts";
import { Signal } from "./signal.ts";

/** Why not everything is on disk. */
export interface Trouble {
  /** unerased: what should have been wiped may still be there. */
  readonly why: DiskFailure | "unerased";
  /** Until the page is loaded again; otherwise it is tried again by itself. */
  readonly forGood: boolean;
}

const retryFloorMs = 1_000;
const retryCeilingMs = 60_000;

/** What the disk did not take: what it had, and the last that was done to it. */
interface Unsaved {
  readonly base: unknown;
  readonly last: (value: unknown) => unknown;
}

/** Shared by all that were made of one another. */
class Keeping {
  readonly trouble = new Signal<Trouble | null>(null);
  readonly disk: Disk | null;
  /** How often everything was wiped. */
  wipes = 0;
  #memory = new Map<StoreName, Map<string, unknown>>(storeNames.map((store) => [store, new Map<string, unknown>()]));
  #unsaved = new Map<StoreName, Map<string, Unsaved>>(storeNames.map((store) => [store, new Map<string, Unsaved>()]));
  /** Writes of one key follow one another. */
  #turns = new Map<string, Promise<unknown>>();
  #wait = retryFloorMs;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(disk: Disk | null, trouble: Trouble | null) {
    this.disk = disk;
    this.trouble.set(trouble);
  }

  /** The disk, unless it is left alone for as long as this page lives. */
  get #used(): Disk | null {
    return this.trouble.get()?.forGood === true ? null : this.disk;
  }

  memoryOf(store: StoreName): Map<string, unknown> {
    return this.#memory.get(store) as Map<string, unknown>;
  }

  #unsavedOf(store: StoreName): Map<string, Unsaved> {
    return this.#unsaved.get(store) as Map<string, Unsaved>;
  }

  isUnsaved(store: StoreName, key: string): boolean {
    return this.#used === null || this.#unsavedOf(store).has(key);
  }

  /** Nothing more of this page goes to the disk, and nothing of the disk is asked. */
  giveUp(why: Trouble["why"]): void {
    this.#stop();
    this.trouble.set({ why, forGood: true });
    for (const of of this.#unsaved.values()) of.clear();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Uses the disk. Null: it failed, which is known now. */
  async tryDisk<T>(work: (disk: Disk) => Promise<T>): Promise<{ readonly value: T } | null> {
    const disk = this.#used;
    if (disk === null) return null;
    const { wipes } = this;
    try {
      return { value: await work(disk) };
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (wipes === this.wipes) this.#failed(error);
      return null;
    }
  }

  #failed(error: DiskError): void {
    if (this.#used === null) return;
    if (this.trouble.get() === null) console.warn(error.message);
    if (error.failure === "cleared" || error.failure === "newer") return this.giveUp(error.failure);
    if (this.trouble.get()?.why !== error.failure) this.trouble.set({ why: error.failure, forGood: false });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#wait = Math.min(this.#wait * 2, retryCeilingMs);
      void this.#saveAgain();
    }, this.#wait);
  }

  async #saveAgain(): Promise<void> {
    if ((await this.tryDisk((disk) => disk.get("notes", "is it there"))) === null) return;
    const unsaved = () => [...this.#unsaved].flatMap(([store, of]) => [...of.keys()].map((key) => [store, key] as const));
    let saved = true;
    // What is written meanwhile is saved as well.
    for (let keys = unsaved(); keys.length > 0 && saved; keys = unsaved()) {
      // One may be too large by itself: the others are tried all the same.
      for (const [store, key] of keys) if (!(await this.inTurn(store, key, () => this.#write(store, key, (value) => value)))) saved = false;
    }
    if (!saved || this.#used === null) return;
    this.#wait = retryFloorMs;
    this.trouble.set(null);
  }

  inTurn<T>(store: StoreName, key: string, work: () => Promise<T>): Promise<T> {
    const at = `${store} ${key}`;
    const turn = (this.#turns.get(at) ?? Promise.resolve()).then(work, work);
    this.#turns.set(at, turn);
    const over = () => {
      if (this.#turns.get(at) === turn) this.#turns.delete(at);
    };
    turn.then(over, over);
    return turn;
  }

  async #write(store: StoreName, key: string, change: (value: unknown) => unknown): Promise<boolean> {
    const unsaved = this.#unsavedOf(store).get(key);
    const { wipes } = this;
    const wrote = await this.tryDisk((disk) =>
      disk.update(store, key, (stored) => {
        if (unsaved === undefined) return change(stored);
        // Another tab may have written meanwhile: then only the last of what was done here is done to that.
        return change(same(stored, unsaved.base) ? this.memoryOf(store).get(key) : unsaved.last(stored));
      }),
    );
    if (wrote === null) return false;
    if (wipes !== this.wipes) return true;
    this.#unsavedOf(store).delete(key);
    this.memoryOf(store).set(key, wrote.value);
    return true;
  }

  update(store: StoreName, key: string, change: (value: unknown) => unknown): Promise<unknown> {
    return this.inTurn(store, key, async () => {
      const { wipes } = this;
      // While it is known to fail, the disk is tried again now and then, not at every write.
      if (this.trouble.get() === null && (await this.#write(store, key, change))) return this.memoryOf(store).get(key);
      if (wipes !== this.wipes) return change(undefined);
      const memory = this.memoryOf(store);
      const before = memory.get(key);
      const value = change(before);
      if (this.#used !== null && value !== before) this.#unsavedOf(store).set(key, { base: (this.#unsavedOf(store).get(key) ?? { base: before }).base, last: change });
      memory.set(key, value);
      return value;
    });
  }

  async get(store: StoreName, key: string): Promise<unknown> {
    if (!this.isUnsaved(store, key)) {
      const { wipes } = this;
      const read = await this.tryDisk((disk) => disk.get(store, key));
      if (read !== null && wipes === this.wipes && !this.isUnsaved(store, key)) this.memoryOf(store).set(key, read.value);
    }
    return this.memoryOf(store).get(key);
  }

  async all(store: StoreName): Promise<[string, unknown][]> {
    const { wipes } = this;
    const memory = this.memoryOf(store);
    const read = await this.tryDisk((disk) => disk.all<unknown>(store));
    if (read !== null && wipes === this.wipes) {
      const there = new Set(read.value.map(([key]) => key));
      for (const key of memory.keys()) if (!there.has(key) && !this.isUnsaved(store, key)) memory.delete(key);
      for (const [key, value] of read.value) if (!this.isUnsaved(store, key)) memory.set(key, value);
    }
    return [...memory].filter(([, value]) => value !== undefined);
  }

  async wipe(): Promise<void> {
    this.wipes += 1;
    this.#stop();
    for (const of of this.#unsaved.values()) of.clear();
    for (const of of this.#memory.values()) of.clear();
    try {
      // Of a disk that is left alone as well: what was kept there before is of the same person.
      for (const store of storeNames) await this.disk?.clear(store);
      if (this.#used !== null) this.trouble.set(null);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // An erased one holds nothing any more.
      if (error.failure !== "cleared") this.giveUp("unerased");
    }
  }

  close(): void {
    this.#stop();
    this.disk?.close();
  }
}

export class Database {
  /** Null: everything is on disk. */
  readonly trouble: Signal<Trouble | null>;
  #keeping: Keeping;
  #since: number;

  private constructor(keeping: Keeping) {
    this.#keeping = keeping;
    this.trouble = keeping.trouble;
    this.#since = keeping.wipes;
  }

  /** The same, until everything is wiped: what is written through it from then on is dropped. For what belongs to one sign-in. */
  untilWiped(): Database {
    return new Database(this.#keeping);
  }

  get #wiped(): boolean {
    return this.#since !== this.#keeping.wipes;
  }

  /** Never fails: where the browser opens nothing, all is in memory from the start. */
  static async open(factory?: IDBFactory, name = "consortium"): Promise<Database> {
    let disk: Disk | null = null;
    let keeping: Keeping;
    try {
      disk = await Disk.open(factory ?? globalThis.indexedDB, name);
      keeping = new Keeping(disk, null);
      // What the person has and what protects them is read whole: a disk that fails later takes nothing of it away.
      for (const store of ["vault", "seen"] as const) for (const [key, value] of await disk.all<unknown>(store)) keeping.memoryOf(store).set(key, value);
    } catch (error) {
      console.warn(error instanceof Error ? error.message : "IndexedDB is not available.");
      const why = error instanceof DiskError ? error.failure : "refused";
      keeping = new Keeping(disk, { why, forGood: true });
    }
    return new Database(keeping);
  }

  get<T>(store: StoreName, key: string): Promise<T | undefined> {
    return this.#keeping.get(store, key) as Promise<T | undefined>;
  }

  async put(store: StoreName, key: string, value: unknown): Promise<void> {
    await this.update(store, key, () => value);
  }

  async delete(store: StoreName, key: string): Promise<void> {
    await this.update(store, key, () => undefined);
  }

  all<T>(store: StoreName): Promise<[string, T][]> {
    return this.#keeping.all(store) as Promise<[string, T][]>;
  }

  /**
   * Reads, changes and writes at once; `undefined` deletes. Returns what is there afterwards. `change` may be called again later, with what
   * another tab wrote: when the disk takes what it did not take now.
   */
  async update<T>(store: StoreName, key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    if (this.#wiped) return change(undefined);
    return (await this.#keeping.update(store, key, (value) => change(value as T | undefined))) as T | undefined;
  }

  /** Whether this is in memory alone. */
  isUnsaved(store: StoreName, key: string): boolean {
    return this.#keeping.isUnsaved(store, key);
  }

  /** Whether something whose key begins so is in memory alone. */
  hasUnsaved(store: StoreName, prefix: string): boolean {
    return [...this.#keeping.memoryOf(store)].some(([key, value]) => value !== undefined && key.startsWith(prefix) && this.isUnsaved(store, key));
  }

  /** From now on this page works from memory alone. */
  giveUp(): void {
    this.#keeping.giveUp(this.trouble.get()?.why ?? "refused");
  }

  // --- What must be on disk, or is of no use: nothing of it is kept in memory ---------------------------------

  /** Null where the disk does not say. */
  async allOnDisk<T>(store: StoreName): Promise<[string, T][] | null> {
    return (await this.#keeping.tryDisk((disk) => disk.all<T>(store)))?.value ?? null;
  }

  /** Whether it is on disk now. If not, nothing was changed there. */
  async putOnDisk(store: StoreName, key: string, value: unknown): Promise<boolean> {
    return (await this.updateOnDisk(store, key, () => value)) !== null;
  }

  /** Whether it is not on disk any more. */
  async deleteOnDisk(store: StoreName, key: string): Promise<boolean> {
    return (await this.updateOnDisk(store, key, () => undefined)) !== null;
  }

  /** What is on disk afterwards; null where it was not written. */
  async updateOnDisk<T>(store: StoreName, key: string, change: (value: T | undefined) => T | undefined): Promise<{ readonly value: T | undefined } | null> {
    return this.#keeping.inTurn(store, key, async () => (this.#wiped ? null : this.#keeping.tryDisk((disk) => disk.update<T>(store, key, change))));
  }

  /** Wipes everything, and for good: what is on its way through untilWiped() does not come after it. */
  async clear(): Promise<void> {
    const wiping = this.#keeping.wipe();
    this.#since = this.#keeping.wipes;
    await wiping;
  }

  close(): void {
    this.#keeping.close();
  }
}

/** Whether two plain values are equal. What cannot be looked into is not. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && a.every((byte, i) => byte === b[i]);
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, i) => same(value, b[i]));
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.prototype.toString.call(value) === "[object Object]" && !ArrayBuffer.isView(value);
}
