// Which of the agent's own entries are here, and whether it has more of them than the relay shows.
import type { Begun } from "./agentcall.ts";
import type { Decoded } from "./decode.ts";

export interface AgentWordsDeps {
  /** The highest count of the agent's state that was seen. */
  stateCount(): number;
  /** Whether the newest entries are loaded, and whether there are older ones that are not. */
  loaded(): { readonly newest: boolean; readonly hasOlder: boolean };
  changed(): void;
}

/** That something is not shown, in words, and whether they accuse the relay. */
export interface Behind {
  readonly words: string;
  readonly accuses: boolean;
}

export class AgentWords {
  #deps: AgentWordsDeps;
  /** Ids of the agent's messages that are loaded, and the newest one known. */
  #ids = new Set<string>();
  #newest: { seq: number; id: string } | null = null;
  /** The end of a turn that this page brought about and whose message is still to come. */
  #endAhead: string | null = null;
  /** What the agent said that it has, while it is not all here. */
  #expected: Begun | null = null;
  #expectTimer: ReturnType<typeof setTimeout> | null = null;
  #behind: Behind | null = null;

  constructor(deps: AgentWordsDeps) {
    this.#deps = deps;
  }

  /** Base64 id of the newest message of the agent that this page has: what a prompt written now has taken into account. */
  get seenUpTo(): string | null {
    return this.#endAhead ?? this.#newest?.id ?? null;
  }

  get behind(): Behind | null {
    return this.#behind;
  }

  /** The end of the turn that was stopped from here: known to the person before its message comes. */
  sawEnd(id: string): void {
    if (!this.#ids.has(id)) this.#endAhead = id;
  }

  /** An entry was read, though it may not be kept. */
  noted(seq: number, { link, device }: Decoded): void {
    if (link === null || device !== null) return;
    if (link.id === this.#endAhead) this.#endAhead = null;
    if (this.#newest === null || seq > this.#newest.seq) this.#newest = { seq, id: link.id };
  }

  /** An entry was read and is kept. */
  loaded(seq: number, decoded: Decoded): void {
    const { link, device } = decoded;
    if (link === null) return;
    if (device === null) this.#ids.add(link.id);
    this.noted(seq, decoded);
    this.judgeAgain();
  }

  /** What was loaded is loaded anew. */
  unloaded(): void {
    this.#ids.clear();
  }

  /** The agent has this much: whoever does not have it in `ms` is behind. */
  expect(begun: Begun, ms: number): void {
    this.#expected = begun;
    if (this.#expectTimer !== null) clearTimeout(this.#expectTimer);
    this.#expectTimer = setTimeout(() => this.#judge(), ms);
  }

  /** More came: what was behind may have caught up. */
  judgeAgain(): void {
    if (this.#behind !== null) this.#judge();
  }

  #judge(): void {
    if (this.#expected === null) return;
    const { v, last, unsent } = this.#expected;
    const state = this.#deps.stateCount() < v;
    // Where the agent's last words may lie further up than what is loaded, nothing can be said.
    const { newest, hasOlder } = this.#deps.loaded();
    const history = newest && last !== null && !this.#ids.has(last) && (this.#ids.size > 0 || !hasOlder);
    const what = state && history ? "its state and entries" : state ? "its state" : "entries";
    const words =
      unsent > 0
        ? `The agent has ${unsent === 1 ? "one entry" : `${unsent.toLocaleString("en")} entries`} that it has not been able to send yet.`
        : `The relay holds something back: the agent has newer ${what.replace("its ", "")} of this session than the relay shows.`;
    this.#behind = state || history ? { words, accuses: unsent === 0 } : null;
    this.#deps.changed();
  }
}
