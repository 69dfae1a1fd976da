// IndexedDB, as promises. Four stores: `vault` (keys), `outbox` (prompts not yet stored by the relay), `seen` (what this browser saw
// and holds the relay to), `notes` (all else). A connection that closed is opened again.

export type StoreName = "vault" | "outbox" | "seen" | "notes";
export const storeNames: readonly StoreName[] = ["vault", "outbox", "seen", "notes"];
const version = 2;
/** A browser that does not answer by then does not open it any more. */
const openMs = 30_000;

/**
 * refused: the browser opens nothing, or fails at it. full: there is no room. cleared: what was kept is gone, with everything in it.
 * newer: a page of a newer version has changed its form.
 */
export type DiskFailure = "refused" | "full" | "cleared" | "newer";

export class DiskError extends Error {
  readonly failure: DiskFailure;

  constructor(failure: DiskFailure, cause: unknown) {
    super(`IndexedDB: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`);
    this.name = "DiskError";
    this.failure = failure;
  }
}

function failureOf(error: unknown): DiskError {
  if (error instanceof DiskError) return error;
  const name = error instanceof Error ? error.name : "";
  return new DiskError(name === "QuotaExceededError" ? "full" : name === "VersionError" ? "newer" : "refused", error);
}

type Work<T> = (objects: IDBObjectStore, done: (value: T) => void, guard: (work: () => void) => () => void) => void;

export class Disk {
  #factory: IDBFactory;
  #name: string;
  #db: IDBDatabase | null = null;
  #opening: Promise<IDBDatabase> | null = null;
  /** It was open before: what is opened from now on must be the same. */
  #known = false;
  #closed = false;

  private constructor(factory: IDBFactory, name: string) {
    this.#factory = factory;
    this.#name = name;
  }

  /** Throws DiskError. */
  static async open(factory: IDBFactory, name: string): Promise<Disk> {
    const disk = new Disk(factory, name);
    await disk.#connect();
    return disk;
  }

  #connect(): Promise<IDBDatabase> {
    if (this.#db !== null) return Promise.resolve(this.#db);
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  #open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new DiskError("refused", "closed"));
      let waiting = true;
      let cleared = false;
      const fail = (error: unknown) => {
        waiting = false;
        clearTimeout(timer);
        reject(cleared ? new DiskError("cleared", error) : failureOf(error));
      };
      const timer = setTimeout(() => fail("no answer"), openMs);
      let request: IDBOpenDBRequest;
      try {
        request = this.#factory.open(this.#name, version);
      } catch (error) {
        return fail(error);
      }
      request.onupgradeneeded = ({ oldVersion }) => {
        const { result: db } = request;
        if (this.#known && oldVersion === 0) {
          // Somebody erased it. What this page remembers is not the whole of it: an empty one in its place would pass for it.
          cleared = true;
          request.transaction?.abort();
          return;
        }
        for (const store of storeNames) if (!db.objectStoreNames.contains(store)) db.createObjectStore(store);
      };
      request.onsuccess = () => {
        const { result: db } = request;
        if (!waiting || this.#closed) return db.close();
        clearTimeout(timer);
        const gone = () => {
          if (this.#db === db) this.#db = null;
        };
        // A tab with a newer version of this page must not wait for this one.
        db.onversionchange = () => {
          db.close();
          gone();
        };
        db.onclose = gone;
        this.#db = db;
        this.#known = true;
        resolve(db);
      };
      request.onerror = () => fail(request.error ?? "not available");
    });
  }

  /** One transaction. Once more on a new connection where this one turns out to be closed or broken. Throws DiskError: then nothing was changed. */
  async run<T>(store: StoreName, mode: IDBTransactionMode, work: Work<T>): Promise<T> {
    const db = await this.#connect();
    try {
      return await transact(db, store, mode, work);
    } catch (error) {
      const failed = failureOf(error);
      if (failed.failure !== "refused") throw failed;
      db.close();
      if (this.#db === db) this.#db = null;
    }
    const again = await this.#connect();
    return transact(again, store, mode, work).catch((error: unknown) => {
      throw failureOf(error);
    });
  }

  get<T>(store: StoreName, key: string): Promise<T | undefined> {
    return this.run(store, "readonly", (objects, done) => {
      const request = objects.get(key);
      request.onsuccess = () => done(request.result as T | undefined);
    });
  }

  /** Reads, changes and writes in one transaction; `undefined` deletes. What is changed to itself is not written. Returns what is there afterwards. */
  update<T>(store: StoreName, key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    return this.run(store, "readwrite", (objects, done, guard) => {
      const request = objects.get(key);
      request.onsuccess = guard(() => {
        const stored = request.result as T | undefined;
        const value = change(stored);
        if (value === undefined) objects.delete(key);
        else if (value !== stored) objects.put(value, key);
        done(value);
      });
    });
  }

  all<T>(store: StoreName): Promise<[string, T][]> {
    return this.run(store, "readonly", (objects, done, guard) => {
      const found: [string, T][] = [];
      const request = objects.openCursor();
      request.onsuccess = guard(() => {
        const cursor = request.result;
        if (cursor === null) return done(found);
        found.push([String(cursor.key), cursor.value as T]);
        cursor.continue();
      });
    });
  }

  clear(store: StoreName): Promise<void> {
    return this.run(store, "readwrite", (objects) => {
      objects.clear();
    });
  }

  close(): void {
    this.#closed = true;
    this.#db?.close();
    this.#db = null;
  }
}

function transact<T>(db: IDBDatabase, store: StoreName, mode: IDBTransactionMode, work: Work<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    let result: T;
    let thrown: unknown;
    /** What is thrown while a request is answered ends the transaction, and is why. */
    const guard = (part: () => void) => () => {
      try {
        part();
      } catch (error) {
        thrown = error;
        transaction.abort();
      }
    };
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(thrown ?? transaction.error ?? new Error("The transaction was given up."));
    guard(() => work(transaction.objectStore(store), (value) => (result = value), guard))();
  });
}
