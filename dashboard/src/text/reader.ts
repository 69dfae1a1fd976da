// Has texts read in a worker, one after the other, the newest first. One that takes too long is given up with the worker that reads it.
import { keptCharactersMax, keptMax, readingMs, restMs } from "./limits.ts";
import type { Answer, Job, Result } from "./tree.ts";

interface Order {
  readonly job: Job;
  readonly key: string;
  readonly waiting: ((result: Result | null) => void)[];
}

export class Reader {
  #make: () => Worker;
  #missing: () => void;
  #worker: Worker | null = null;
  /** Its program runs: until then its time does not count. */
  #ready = false;
  #orders = new Map<string, Order>();
  #now: Order | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #restsUntil = 0;
  #kept = new Map<string, Result | null>();

  /** `missing`: the program of the worker could not be fetched. */
  constructor(make: () => Worker, missing: () => void = () => undefined) {
    this.#make = make;
    this.#missing = missing;
  }

  /** What is known already; undefined: it must be read. */
  kept(job: Job): Result | null | undefined {
    return this.#kept.get(keyOf(job));
  }

  /** Null: it is to be shown as it is. */
  read(job: Job): Promise<Result | null> {
    const key = keyOf(job);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return Promise.resolve(kept);
    return new Promise((resolve) => {
      const order = this.#now?.key === key ? this.#now : (this.#orders.get(key) ?? { job, key, waiting: [] });
      order.waiting.push(resolve);
      if (order !== this.#now) this.#orders.set(key, order);
      this.#next();
    });
  }

  #next(): void {
    if (this.#now !== null) return;
    const order = [...this.#orders.values()].at(-1);
    if (order === undefined) return;
    this.#orders.delete(order.key);
    this.#now = order;
    if (!this.#begin()) return this.#answer(null, false);
    if (this.#ready) this.#give(order);
  }

  #give(order: Order): void {
    this.#timer = setTimeout(() => {
      this.#end();
      this.#answer(null, true);
    }, readingMs);
    this.#worker?.postMessage(order.job);
  }

  #begin(): boolean {
    if (this.#worker !== null) return true;
    if (Date.now() < this.#restsUntil) return false;
    try {
      const worker = this.#make();
      worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        if (worker !== this.#worker) return;
        if (data.ready === undefined) return this.#answer(data.result, true);
        this.#ready = true;
        if (this.#now !== null) this.#give(this.#now);
      };
      // Its program could not be fetched: the text is readable without it.
      worker.onerror = (event) => {
        event.preventDefault();
        if (worker !== this.#worker) return;
        if (!this.#ready) this.#missing();
        this.#end();
        this.#restsUntil = Date.now() + restMs;
        this.#answer(null, false);
      };
      this.#worker = worker;
    } catch {
      this.#restsUntil = Date.now() + restMs;
    }
    return this.#worker !== null;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
  }

  #answer(result: Result | null, keep: boolean): void {
    const order = this.#now;
    clearTimeout(this.#timer);
    this.#now = null;
    if (order === null) return;
    // What took too long is remembered whatever its length: it would take as long again.
    if (keep && (result === null || order.job.text.length <= keptCharactersMax)) {
      this.#kept.set(order.key, result);
      if (this.#kept.size > keptMax) this.#kept.delete(this.#kept.keys().next().value as string);
    }
    for (const done of order.waiting) done(result);
    this.#next();
  }
}

function keyOf(job: Job): string {
  switch (job.kind) {
    case "markdown":
      return `m${job.own} ${job.text}`;
    case "code":
      return `${job.apart === true ? "l" : "c"}${job.language} ${job.text}`;
    case "terminal":
      return `t ${job.text}`;
  }
}
