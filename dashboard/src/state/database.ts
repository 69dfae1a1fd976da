// IndexedDB, as promises. Four stores: `vault` (keys), `outbox` (prompts not yet stored by the relay), `seen` (what this browser saw
// and holds the relay to), `notes` (all else).

export type StoreName = "vault" | "outbox" | "seen" | "notes";
const stores: readonly StoreName[] = ["vault", "outbox", "seen", "notes"];
const version = 2;

export class Database {
  #db: IDBDatabase;
  /** How often everything was wiped: shared by all that were made of one another. */
  #wipes: { count: number };
  #since: number;

  private constructor(db: IDBDatabase, wipes = { count: 0 }) {
    this.#db = db;
    this.#wipes = wipes;
    this.#since = wipes.count;
  }

  /** The same, until everything is wiped: what is written through it from then on is dropped. For what belongs to one sign-in. */
  untilWiped(): Database {
    return new Database(this.#db, this.#wipes);
  }

  get #wiped(): boolean {
    return this.#since !== this.#wipes.count;
  }

  static open(factory: IDBFactory = globalThis.indexedDB, name = "consortium"): Promise<Database> {
    return new Promise((resolve, reject) => {
      const request = factory.open(name, version);
      request.onupgradeneeded = () => {
        const { result: db } = request;
        for (const store of stores) if (!db.objectStoreNames.contains(store)) db.createObjectStore(store);
      };
      request.onsuccess = () => {
        // A tab with a newer version of this page must not wait for this one.
        request.result.onversionchange = () => request.result.close();
        resolve(new Database(request.result));
      };
      request.onerror = () => reject(request.error ?? new Error("IndexedDB is not available."));
    });
  }

  #run<T>(store: StoreName, mode: IDBTransactionMode, work: (objects: IDBObjectStore, done: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const transaction = this.#db.transaction(store, mode);
      let result: T;
      work(transaction.objectStore(store), (value) => {
        result = value;
      });
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB refused to store this."));
    });
  }

  get<T>(store: StoreName, key: string): Promise<T | undefined> {
    return this.#run(store, "readonly", (objects, done) => {
      const request = objects.get(key);
      request.onsuccess = () => done(request.result as T | undefined);
    });
  }

  async put(store: StoreName, key: string, value: unknown): Promise<void> {
    if (this.#wiped) return;
    return this.#run(store, "readwrite", (objects) => {
      objects.put(value, key);
    });
  }

  delete(store: StoreName, key: string): Promise<void> {
    return this.#run(store, "readwrite", (objects) => {
      objects.delete(key);
    });
  }

  all<T>(store: StoreName): Promise<[string, T][]> {
    return this.#run(store, "readonly", (objects, done) => {
      const found: [string, T][] = [];
      const request = objects.openCursor();
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null) return done(found);
        found.push([String(cursor.key), cursor.value as T]);
        cursor.continue();
      };
    });
  }

  /** Reads, changes and writes in one transaction; `undefined` deletes. Returns what is there afterwards. */
  async update<T>(store: StoreName, key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    if (this.#wiped) return change(undefined);
    return this.#run(store, "readwrite", (objects, done) => {
      const request = objects.get(key);
      request.onsuccess = () => {
        const value = change(request.result as T | undefined);
        if (value === undefined) objects.delete(key);
        else objects.put(value, key);
        done(value);
      };
    });
  }

  /** Wipes everything, and for good: what is on its way through untilWiped() does not come after it. */
  async clear(): Promise<void> {
    this.#wipes.count += 1;
    this.#since = this.#wipes.count;
    for (const store of stores) {
      await this.#run<void>(store, "readwrite", (objects) => {
        objects.clear();
      });
    }
  }

  close(): void {
    this.#db.close();
  }
}
