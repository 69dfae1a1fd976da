// The reader's side of {from, n, prev}: what the relay moved, repeated or left out shows here.

export interface Link {
  readonly from: string;
  readonly n: number;
  readonly prev: string | null;
  /** Base64 id of the bundle itself. */
  readonly id: string;
}

export type ChainProblem =
  | { readonly kind: "repeated" } // the same bundle once more
  | { readonly kind: "out-of-order"; readonly expected: number; readonly got: number } // an older number after a newer one
  | { readonly kind: "gap"; readonly missing: number; readonly expected: number; readonly got: number } // numbers left out
  | { readonly kind: "broken" }; // the number follows, but the predecessor is another bundle

interface Seen {
  first: Link;
  last: Link;
  ids: Set<string>;
}

/**
 * Checks the chains of all senders of one session, in the order of message.seq.
 * Later messages are appended one by one; older pages are put in front. Until the beginning of the session is
 * loaded, what a chain continues from is unknown and not held against it.
 */
export class ChainChecker {
  #senders = new Map<string, Seen>();
  #complete = false;

  /** Takes the next message. `undefined` means it follows; a problem is reported once, then the chain goes on from here. */
  append(link: Link): ChainProblem | undefined {
    const seen = this.#senders.get(link.from);
    if (seen === undefined) {
      this.#senders.set(link.from, { first: link, last: link, ids: new Set([link.id]) });
      return this.#complete ? beginsWithOne(link) : undefined;
    }
    if (seen.ids.has(link.id)) return { kind: "repeated" };
    seen.ids.add(link.id);
    const problem = between(seen.last, link);
    if (problem?.kind !== "out-of-order") seen.last = link;
    return problem;
  }

  /**
   * Puts an older page (ascending) in front. The result holds one entry per link of the page, and the problems
   * found where the page meets what was loaded before, by the bundle id of the later message.
   */
  prepend(page: readonly Link[]): { page: (ChainProblem | undefined)[]; joints: Map<string, ChainProblem> } {
    const older = new ChainChecker();
    const problems = page.map((link) => older.append(link));
    const joints = new Map<string, ChainProblem>();
    for (const [from, before] of older.#senders) {
      const after = this.#senders.get(from);
      if (after === undefined) {
        this.#senders.set(from, before);
        continue;
      }
      const repeated = before.ids.has(after.first.id);
      const problem = repeated ? ({ kind: "repeated" } as const) : between(before.last, after.first);
      if (problem !== undefined) joints.set(after.first.id, problem);
      for (const id of before.ids) after.ids.add(id);
      after.first = before.first;
    }
    return { page: problems, joints };
  }

  /** To be called once the first message of the session is loaded: from then on every chain must begin with 1. */
  beginning(): Map<string, ChainProblem> {
    this.#complete = true;
    const problems = new Map<string, ChainProblem>();
    for (const { first } of this.#senders.values()) {
      const problem = beginsWithOne(first);
      if (problem !== undefined) problems.set(first.id, problem);
    }
    return problems;
  }

  /** The last link of a sender, if any was seen. */
  last(from: string): Link | undefined {
    return this.#senders.get(from)?.last;
  }
}

function beginsWithOne(first: Link): ChainProblem | undefined {
  return first.n === 1 ? undefined : { kind: "gap", missing: first.n - 1, expected: 1, got: first.n };
}

function between(before: Link, after: Link): ChainProblem | undefined {
  const expected = before.n + 1;
  if (after.n < expected) return { kind: "out-of-order", expected, got: after.n };
  if (after.n > expected) return { kind: "gap", missing: after.n - expected, expected, got: after.n };
  return after.prev === before.id ? undefined : { kind: "broken" };
}
