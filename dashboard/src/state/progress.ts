// How far this browser has come in the relay's stream of an account: what it shows, where the stream goes on, and what is remembered so
// that a history which went back is noticed.
import type { Position } from "../api/types.ts";
import type { LogWatch } from "./logwatch.ts";
import { coalesced, Signal } from "./signal.ts";

export interface ProgressDeps {
  watch(): LogWatch;
  /** Keeps on disk what was reached. */
  keep(position: Position): Promise<void>;
  /** Something came: now and then, while much comes. */
  came(): void;
}

const publishMs = 20;
const keepMs = 1_000;

export class Progress {
  /** Highest revision the relay acknowledged or sent. */
  readonly revision = new Signal<number>(0);
  #deps: ProgressDeps;
  #cursor: Position | null = null;
  #remembered: Position | null = null;
  #highest = 0;
  #publish: () => void;
  #keep: () => void;

  constructor(deps: ProgressDeps) {
    this.#deps = deps;
    this.#publish = coalesced(() => {
      this.revision.set(this.#highest);
      deps.came();
    }, publishMs);
    this.#keep = coalesced(() => {
      if (this.#remembered !== null) void deps.keep(this.#remembered);
    }, keepMs);
  }

  /** Where the stream goes on. */
  get cursor(): Position | null {
    return this.#cursor;
  }

  /** Begins anew, with what an earlier page reached. */
  reset(remembered: Position | null): void {
    this.#cursor = null;
    this.#remembered = remembered;
    this.#highest = remembered?.revision ?? 0;
    this.revision.set(this.#highest);
  }

  /** A log never gets shorter. If this browser has seen more than the relay now has, the person must know. Returns whether it has. */
  checkHistory(position: Position): boolean {
    const seen = this.#remembered;
    const wentBack = seen !== null && seen.log === position.log && position.revision < seen.revision;
    if (wentBack) this.#tellWentBack(seen, position);
    if (wentBack || seen?.log !== position.log) {
      if (seen !== null) this.#highest = 0;
      this.#remembered = position;
      this.#keep();
    }
    return wentBack;
  }

  /** The relay says that it has less than this page has seen. */
  isAhead(): void {
    if (this.#remembered !== null) this.#tellWentBack(this.#remembered, null);
  }

  /** In the same words for as long as the same is missing: what was acknowledged is no news when the relay goes on. */
  #tellWentBack(seen: Position, position: Position | null): void {
    void this.#deps.watch().contradicts(`The relay's history went back: this browser has seen #${seen.revision.toLocaleString("en")}, and the relay has less.`, { seen, position });
  }

  /** The lists, or a catch-up, end here. */
  goOnFrom(position: Position | null): void {
    this.#cursor = position;
  }

  /** An update was applied. */
  applied(revision: number): void {
    if (this.#cursor !== null && revision > this.#cursor.revision) this.#cursor = { log: this.#cursor.log, revision };
    this.reached(revision);
  }

  /** The relay has so many. */
  reached(revision: number): void {
    this.#highest = Math.max(this.#highest, revision);
    this.#publish();
    const log = this.#cursor?.log;
    if (log === undefined) return;
    this.#deps.watch().reached(log, revision);
    if (this.#remembered === null || this.#remembered.log !== log || this.#remembered.revision < revision) {
      this.#remembered = { log, revision };
      this.#keep();
    }
  }
}

/** Up to where two lists, read one after the other, are both whole. */
export function lower(a: Position | null, b: Position | null): Position | null {
  if (a === null || b === null) return a ?? b;
  if (a.log !== b.log) return null;
  return a.revision <= b.revision ? a : b;
}
