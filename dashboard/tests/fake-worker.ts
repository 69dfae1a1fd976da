// What a page of a browser has and happy-dom lacks: a worker that reads texts, here in the same thread, and a view that shows everything.
import { read } from "../src/text/read.ts";
import type { Job } from "../src/text/tree.ts";

export class WorkerHere {
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor() {
    queueMicrotask(() => this.onmessage?.({ data: { ready: true } }));
  }

  postMessage(job: Job): void {
    const result = read(job);
    queueMicrotask(() => this.onmessage?.({ data: { result } }));
  }

  terminate(): void {
    this.onmessage = null;
  }
}

export class EverythingInView {
  /** For as long as it is so, nothing that is new is seen. */
  static blind = false;
  #seen: IntersectionObserverCallback;

  constructor(seen: IntersectionObserverCallback) {
    this.#seen = seen;
  }

  observe(target: Element): void {
    if (EverythingInView.blind) return;
    queueMicrotask(() => this.#seen([{ target, isIntersecting: true, boundingClientRect: { height: 0 } } as unknown as IntersectionObserverEntry], this as unknown as IntersectionObserver));
  }

  unobserve(): void {}
}
