// The smallest thing React can watch: a value and who wants to know.

export class Signal<T> {
  #value: T;
  #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Resolves with the first value, now or later, that `wanted` accepts. */
  when(wanted: (value: T) => boolean): Promise<T> {
    if (wanted(this.#value)) return Promise.resolve(this.#value);
    return new Promise((resolve) => {
      const stop = this.subscribe(() => {
        if (!wanted(this.#value)) return;
        stop();
        resolve(this.#value);
      });
    });
  }
}

/** Runs `work` once soon, however often it is asked: at most every `ms`. */
export function coalesced(work: () => void, ms: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, ms);
  };
}
