// Text that is being said: in no log yet, pieces may be lost, and the finished block replaces it.
import { record } from "./values.ts";

export interface Partial {
  readonly block: string;
  readonly kind: "text" | "thinking";
  readonly text: string;
  /** A piece is missing: nothing more is shown until the finished block comes. */
  readonly torn: boolean;
}

const finishedMax = 100;
/** Blocks that are said at the same time: Claude says one, and each of its subagents one. */
const partsMax = 20;

export class Partials {
  #parts = new Map<string, Partial>();
  #finished: string[] = [];

  get list(): readonly Partial[] {
    return [...this.#parts.values()];
  }

  /** Takes a piece as its sender wrote it. False when it changed nothing. */
  take(plain: unknown): boolean {
    const { block, offset, text, kind } = record(plain);
    if (typeof block !== "string" || typeof offset !== "number" || typeof text !== "string" || this.#finished.includes(block)) return false;
    const known = this.#parts.get(block);
    const have = known?.text.length ?? 0;
    const shape = kind === "thinking" ? "thinking" : "text";
    if (known?.torn === true) return false;
    const [oldest] = this.#parts.keys();
    if (known === undefined && this.#parts.size >= partsMax && oldest !== undefined) this.#parts.delete(oldest);
    if (offset > have) this.#parts.set(block, { block, kind: shape, text: known?.text ?? "", torn: true });
    else if (offset === have) this.#parts.set(block, { block, kind: shape, text: (known?.text ?? "") + text, torn: false });
    return true;
  }

  /** The block came whole: nothing more of it counts. */
  finish(block: string): void {
    this.#parts.delete(block);
    this.#finished.push(block);
    if (this.#finished.length > finishedMax) this.#finished.shift();
  }

  /** False when there was nothing. */
  clear(): boolean {
    const had = this.#parts.size > 0;
    this.#parts.clear();
    return had;
  }
}
